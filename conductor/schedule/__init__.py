"""When: triggers to next runs (pure), and the clock that fires them.

Nothing stands here yet: events run on demand in this version.
"""
