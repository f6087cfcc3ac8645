"""A job's life on the host: small ordered steps around one process in one directory.

The directory is the truth. Whatever dies, the next satellite reads it and goes on.
"""
