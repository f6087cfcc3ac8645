"""Figures of a running server, beside those of the original: `python -m tests.benchmarks --help`.

Everything is bounded in count and time, and talks over loopback. What makes the load shares the machine with
what is measured, so it is written to cost little: a raw keep-alive client in one process (`loadgen`), and
simulated satellites (`fleet`) that answer a launch with its result.
"""
