"""The databases that records can live in; what each guarantees is in `contract`.

Called by `records.store` alone.
"""
