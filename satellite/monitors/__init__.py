"""psutil collectors: the minute sample, the quick sample, and the usage of each job."""
