"""Search: the query language (contract search.md §3), the word index, and how both become SQL.

`language` is pure: text to tree. `finder` runs a tree on one table. Values never become SQL text.
"""
