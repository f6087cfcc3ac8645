"""HTTP: the endpoint registry, the kernel around it, and one module per resource group.

A handler checks nothing that its declaration can check, and decides nothing that a service can decide.
"""
