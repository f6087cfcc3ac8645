"""Simulated satellites: light enough that one process holds a thousand, real enough to load a conductor.

Used by `opsorbit fleet simulate` and by the benchmarks.
"""
