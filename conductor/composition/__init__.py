"""Composition: which part gets which other part. One module for each room, put together in `conductor.py`."""
