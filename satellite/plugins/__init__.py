"""Built-in plugins, and how a job's command becomes a process."""
