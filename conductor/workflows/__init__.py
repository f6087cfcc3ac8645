"""Graphs of jobs: validate, advance (pure), drive. Nothing stands here yet."""
