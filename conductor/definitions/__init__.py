"""What users configure: events, categories, plugins, groups, API keys and their like.

One generic repository, one small file per kind. Everything is cached in memory and written through to
SQL before a call returns. Never touches jobs, sockets or HTTP.
"""
