import pytest

from tests.benchmarks.report import Figure, table


@pytest.mark.parametrize(
    ("figure", "ratio"),
    [
        (Figure("jobs", 300.0, "jobs/s", 150.0), 2.0),
        (Figure("latency", 5.0, "ms", 10.0, lower_is_better=True), 2.0),
        (Figure("latency", 20.0, "ms", 10.0, lower_is_better=True), 0.5),
        (Figure("unknown to the original", 5.0, "ms"), None),
        (Figure("not measured", None, "ms", 10.0), None),
        (Figure("nothing", 0.0, "%", 0.4, lower_is_better=True), None),
    ],
)
def test_a_ratio_above_one_is_better_than_the_original(figure: Figure, ratio: float | None) -> None:
    assert figure.ratio == ratio


def test_the_table_has_a_line_for_each_figure_with_its_note() -> None:
    lines = table(
        [Figure("jobs", 12345.0, "jobs/s", 145.0), Figure("jobs", None, "", note="refused")]
    ).splitlines()
    assert len(lines) == 4
    assert "12,345" in lines[2]
    assert "x 85.1" in lines[2]
    assert lines[3].endswith("refused")
