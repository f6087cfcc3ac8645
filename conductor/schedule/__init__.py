"""When: triggers to next runs (pure), and the clock that fires them.

`triggers/` are values, `timetable` puts an event's triggers together, `evaluation` says what is due; all three
know neither clock nor store. `scheduler` acts on them. What a firing becomes is not decided here: the
scheduler hands launches to a port (`launches.py`) and never knows a job.
"""
