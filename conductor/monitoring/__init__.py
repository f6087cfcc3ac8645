"""Samples of servers and what follows from them: monitors, deltas, timelines, quick monitors.

`monitors`, `quick`, `buckets` and `rows` decide and do no I/O; `timelines` keeps and reads history in SQL;
`samples` takes what satellites send. Called by the fleet (samples in) and the API (answers out); whoever wants to
judge each sample, as alerts do, is given to `Samples` as an observer.
"""
