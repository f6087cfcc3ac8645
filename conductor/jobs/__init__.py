"""One job's life on the conductor: compose, admit, place, dispatch, update, finish.

Decisions are pure functions from a snapshot to a value (`compose`, `admission`, `placement`,
`limits`, `resumption`, `outcome`); the engine carries them out through the job book. Called by `api`
and `fleet`; never calls them back, but for the one port it declares (`agents`).
"""
