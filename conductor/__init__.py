"""The conductor: the one process that decides. Satellites do the work and report to it."""
