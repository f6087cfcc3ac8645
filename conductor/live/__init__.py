"""What is happening now, in Redis: keys, Lua scripts, the lease, the active-job book.

Every write carries the leader's epoch and is refused when it is old. Knows nothing of HTTP or SQL.
"""
