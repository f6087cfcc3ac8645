"""One file for each type of action: `run` carries it out and answers its Result.

A type may raise Refusal, which becomes its failure; whatever else it raises is a failure too, so that an
action never harms its job or the others.
"""
