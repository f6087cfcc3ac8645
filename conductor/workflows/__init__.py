"""Graphs of jobs (contract workflows.md).

`graph`, `run`, `advance`, `controllers`, `joining` and `completion` are pure: from a graph, the state of a run
and what just happened they make the next state and the commands that follow. Whatever carries the commands
out and stores the state stands beside them. Nothing here talks to satellites: sub-jobs are ordinary jobs.
"""
