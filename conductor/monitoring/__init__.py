"""Samples of servers. This version keeps the latest of each, raw; monitors, timelines and alerts follow."""
