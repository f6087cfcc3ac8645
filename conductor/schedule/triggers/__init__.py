"""One immutable value for each type of trigger: parameters in, next run out.

A constructor refuses what the rules of `conductor.definitions.triggers` refuse, with the same BadParameter: there
is one set of rules. All times are Unix seconds; a minute is one that is divisible by 60.
"""
