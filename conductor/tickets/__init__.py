"""Tickets: records of issues and changes, their history, files and mails (contract platform.md §16).

What a ticket may be is decided purely (`fields`, `changes`, `due`, `markup`); `tickets` stores and announces,
`notices` mails. The API calls it; it never sees a request.
"""
