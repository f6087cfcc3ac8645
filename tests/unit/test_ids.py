"""Identifiers (contract api/README.md §10.8)."""

import re

from shared import ids


def test_ids_sort_by_creation_even_when_the_counter_rolls_over() -> None:
    made = [ids.short_id("j") for _ in range(3 * 36 * 36)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("j[a-z0-9]{15}", one) for one in made)
