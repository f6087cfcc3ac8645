"""A workflow drawn as a Mermaid flowchart."""

from conductor.workflows.mermaid import flowchart
from tests.unit.workflows.simulation import graph_of


def test_nodes_are_named_by_what_they_run_and_wires_by_their_condition() -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -success-> mail", "a -tag:big-> d", "d -> a2",
        t="trigger", r=("repeat", {"repeat": 3}), a=("event", {"event": "e1"}),
        mail=("action", {"type": "email"}), d=("decision", {"decision": 'data.x == "y"'}),
        a2=("job", {"plugin": "shellplug", "label": "Tidy up"}),
    )  # fmt: skip

    assert flowchart(workflow, titles={"e1": "Backup"}).splitlines() == [
        "flowchart LR",
        '    n_t(["t"])',
        '    n_r{{"repeat: 3 times"}}',
        '    n_a["Backup"]',
        '    n_mail>"email"]',
        '    n_d{{"decision: data.x == #34;y#34;"}}',
        '    n_a2["Tidy up"]',
        "    n_t --> n_r",
        "    n_r --> n_a",
        "    n_a -->|success| n_mail",
        "    n_a -->|tag:big| n_d",
        "    n_d --> n_a2",
    ]


def test_a_run_shows_what_became_of_each_node() -> None:
    workflow = graph_of("t -> a", t="trigger", a="event", b="event", c="event")
    state = {"t": {"completed": 1}, "a": {"active": True}, "b": {"error": True}, "c0": {"completed": 1}}

    classes = [line.strip() for line in flowchart(workflow, state=state).splitlines() if "    class " in line]

    assert classes == ["class n_t done", "class n_a active", "class n_b error"]


def test_what_has_no_graph_is_an_empty_chart() -> None:
    assert flowchart(None) == "flowchart LR\n"
