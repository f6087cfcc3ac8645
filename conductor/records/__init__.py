"""What is defined and what has happened: SQL tables with group commit, search, and the object store.

Knows documents and keys, not what they mean. Called by services; calls nothing of ours.
"""
