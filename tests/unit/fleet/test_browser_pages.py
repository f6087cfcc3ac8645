"""Locations of browsers, and which page events reach them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.fleet.browser_pages import NOWHERE, located, reaches


@pytest.mark.parametrize(
    ("target", "at", "reached"),
    [
        ("Job?id=j1", "Job?id=j1", True),
        ("Job?id=j1", "Job?id=j1&tab=log", True),
        ("Job?id=j1", "Job?id=j2", False),
        ("Job?id=j1", "Job", False),
        ("Job", "Job?id=j1", True),
        ("Servers?id=s1", "Groups?id=s1", False),
        ("ActivityLog", "ActivityLog?offset=50", True),
        ("Tickets?num=7", "Tickets?id=t1&num=7", True),
        ("Job?id=a%20b", "Job?id=a b", True),
    ],
)
def test_an_event_reaches_its_page(target: str, at: str, reached: bool) -> None:
    assert reaches(located(target), located(at)) is reached


@pytest.mark.parametrize("loc", [None, 7, "", ["Job"], "x" * 5_000, "Job?" + "a=1&" * 200])
def test_what_is_no_location_is_nowhere(loc: object) -> None:
    assert located(loc) is NOWHERE
    assert not reaches(located("Job?id=j1"), located(loc))


@given(st.text(max_size=200))
def test_a_page_event_reaches_its_own_address(loc: str) -> None:
    here = located(loc)
    assert reaches(here, here) is bool(here.id)
    assert here.loc in ("", loc)
