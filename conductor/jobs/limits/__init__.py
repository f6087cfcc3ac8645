"""Limits of a job, one small unit for each kind (contract jobs.md §8, structures/limit.yaml).

A unit reads a limit and says what follows from it; it carries out nothing. `reading` is what all of them
share; `runtime` checks those of a running job together; `notices` is the port through which a fired one is
told. Enforced where the contract puts them: `day` at launch (`launcher`), `job` and `queue` at admission,
`file` before the first start, `time`, `log`, `mem` and `cpu` each second, `retry` and `tag` at the end.
"""

from conductor.jobs.limits.reading import Limit, amount, enabled, first, number, weight
from conductor.jobs.limits.runtime import Exceeded, exceeded, watched

__all__ = ["Exceeded", "Limit", "amount", "enabled", "exceeded", "first", "number", "watched", "weight"]
