"""Export and import of everything, as a stream of lines (XYBK, contract platform.md §17).

`lines` is the format; `kept` says who keeps which keys; `lists` are definitions as the original pages them.
Nothing here holds a whole collection, a whole file of lines, or a whole export in memory.
"""
