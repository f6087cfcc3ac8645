"""What a workflow does next, by the contract's examples (workflows.md §4 to §7, §14)."""

from typing import Any

import pytest

from conductor.workflows.run import Act, Complete, Tick
from tests.unit.workflows.simulation import Outcome, Simulation, ending, graph_of, run

EVENT = ("event", {"event": "e1"})


def test_decisions_choose_the_branch_by_the_output_of_the_job_before() -> None:
    workflow = graph_of(
        "t -> a", "a -success-> yes", "a -success-> no", "yes -> b", "no -> c",
        t="trigger", a=EVENT, b=EVENT, c=EVENT,
        yes=("decision", {"decision": "data.num == 42"}), no=("decision", {"decision": "data.num != 42"}),
    )  # fmt: skip

    done = run(workflow, outcome=ending(a=Outcome(data={"num": 42})))

    assert done.ran == {"a": 1, "b": 1}
    assert done.complete == [Complete(0, "Workflow completed successfully.")]
    assert done.inputs("b") == [{"data": {"num": 42}, "files": []}]


def test_a_decision_may_have_an_else_branch() -> None:
    workflow = graph_of(
        "t -> d",
        "d -> a",
        "d -else-> b",
        t="trigger",
        a=EVENT,
        b=EVENT,
        d=("decision", {"decision": "1 > 2"}),
    )

    assert run(workflow).ran == {"b": 1}


def test_repeat_continues_into_a_join_that_gathers_every_run() -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -continue-> j", "j -> b",
        t="trigger", r=("repeat", {"repeat": 5}), a=EVENT, j="join", b=EVENT,
    )  # fmt: skip

    done = run(workflow, outcome=lambda node, number, given: Outcome(data={"number": number, node: True}))

    assert done.ran == {"a": 5, "b": 1}
    (given,) = done.inputs("b")
    assert [item["number"] for item in given["data"]["items"]] == [0, 1, 2, 3, 4]
    assert given["data"]["combined"] == {"number": 4, "a": True}


def test_a_join_waits_for_every_wire() -> None:
    workflow = graph_of(
        "t -> a", "t -> b", "a -success-> j", "b -success-> j", "j -> c",
        t="trigger", a=EVENT, b=EVENT, j="join", c=EVENT,
    )  # fmt: skip

    done = run(workflow, outcome=ending(a=Outcome(data={"x": 1}, files=("f1",)), b=Outcome(files=("f2",))))

    (given,) = done.inputs("c")
    assert given == {"data": {"items": [{"x": 1}, {}], "combined": {"x": 1}}, "files": ["f1", "f2"]}


def test_a_join_that_is_never_met_ends_with_the_run_and_says_so() -> None:
    workflow = graph_of(
        "t -> a", "t -> b", "a -success-> j", "b -success-> j", "j -> c",
        t="trigger", a=EVENT, b=EVENT, j="join", c=EVENT,
    )  # fmt: skip

    done = run(workflow, outcome=ending(b=1))

    assert done.ran == {"a": 1, "b": 1}
    assert done.complete == [Complete("warning", "1 of 2 workflow jobs failed.")]
    assert done.run.state["j"]["error"] is True
    assert any("1 of 2 connections" in note.text for note in done.notes)


def test_better_2_a_join_counts_distinct_wires_not_arrivals() -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -success-> j", "t -> b", "b -success-> j", "j -> c",
        t="trigger", r=("repeat", {"repeat": 3}), a=EVENT, b=EVENT, j="join", c=EVENT,
    )  # fmt: skip
    simulation = Simulation(workflow, pick=lambda waiting: waiting - 1)
    simulation.begin("t")

    order = [command.node for command in simulation.waiting]
    for _ in range(3):
        simulation.end([command.node for command in simulation.waiting].index("a"))

    assert sorted(order) == ["a", "a", "a", "b"]
    assert "c" not in [command.node for command in simulation.waiting]
    simulation.until_over()
    assert simulation.ran["c"] == 1


def test_better_2_a_join_takes_the_input_of_wires_that_no_job_lies_behind() -> None:
    workflow = graph_of(
        "t -> w", "w -> j", "t -> a", "a -success-> j", "j -> b",
        t="trigger", w=("wait", {"wait": 2}), a=EVENT, j="join", b=EVENT,
    )  # fmt: skip

    done = run(workflow, given={"data": {"from": "outside"}, "files": []}, outcome=ending(a=Outcome(data=7)))

    assert done.inputs("b")[0]["data"]["items"] == [{"from": "outside"}, 7]


@pytest.mark.parametrize(("need", "ran"), [(1, 1), (2, 1), (9, 0)])
def test_better_2_a_join_may_be_content_with_some_of_its_wires(need: int, ran: int) -> None:
    workflow = graph_of(
        "t -> a", "t -> b", "t -> c", "a -success-> j", "b -success-> j", "c -success-> j", "j -> d",
        t="trigger", a=EVENT, b=EVENT, c=EVENT, d=EVENT, j=("join", {"need": need}),
    )  # fmt: skip

    assert run(workflow, outcome=ending(b=1)).ran["d"] == ran


def test_better_2_a_join_may_stop_waiting() -> None:
    workflow = graph_of(
        "t -> a", "t -> w", "a -success-> j", "w -> j", "j -> b",
        t="trigger", a=EVENT, b=EVENT, w=("wait", {"wait": 50}), j=("join", {"timeout": 5}),
    )  # fmt: skip
    simulation = Simulation(workflow)
    simulation.begin("t")
    simulation.end(0)
    started = simulation.now
    while not simulation.waiting:
        simulation.now += 1
        simulation.happen(Tick())

    assert simulation.now - started == pytest.approx(5, abs=1)
    assert [command.node for command in simulation.waiting] == ["b"]


def test_multiplex_runs_its_node_on_every_server_staggered() -> None:
    workflow = graph_of(
        "t -> m", "m -> a", "a -continue-> mail",
        t="trigger", m=("multiplex", {"stagger": 3}), a=EVENT,
        mail=("action", {"enabled": True, "type": "email"}),
    )  # fmt: skip

    done = run(workflow, servers_of={"a": ["s1", "s2", "s3"]})

    assert [(launch.targets, launch.delay) for launch in done.launches] == [
        (["s1"], 0.0),
        (["s2"], 3.0),
        (["s3"], 6.0),
    ]
    assert done.run.state["mail"]["code"] == 0
    assert done.run.state["mail"]["active"] is False


def test_split_gives_each_job_its_item_and_leaks_nothing_else() -> None:
    workflow = graph_of("t -> s", "s -> a", t="trigger", a=EVENT, s=("split", {"split": "data.list"}))

    done = run(workflow, given={"data": {"list": [1, 2, 3], "more": 1}, "files": ["f"]})

    assert done.inputs("a") == [{"data": {"item": item}, "files": ["f"]} for item in (1, 2, 3)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"split": "data.list", "chunk": 2}, [{"items": [1, 2]}, {"items": [3]}]),
        ({"split": "data.list", "filter": "item > 1"}, [{"item": 2}, {"item": 3}]),
        ({"split": "data.list", "filter": "index == 0"}, [{"item": 1}]),
        ({"split": "data.text"}, [{"item": "one"}, {"item": "two"}]),
        ({"split": "data.list", "chunk": "2", "filter": "index > 0"}, [{"items": [2, 3]}]),
    ],
)
def test_split_goes_over_what_its_fields_say(fields: dict[str, Any], expected: list[Any]) -> None:
    workflow = graph_of("t -> s", "s -> a", t="trigger", a=EVENT, s=("split", fields))

    done = run(workflow, given={"data": {"list": [1, 2, 3], "text": " one \n two\n"}, "files": []})

    assert [given["data"] for given in done.inputs("a")] == expected


def test_split_over_files_hands_on_the_files_themselves() -> None:
    workflow = graph_of("t -> s", "s -> a", t="trigger", a=EVENT, s=("split", {"split": "files"}))

    done = run(workflow, given={"data": {"k": 1}, "files": ["f1", "f2"]})

    assert done.inputs("a") == [{"data": {"k": 1}, "files": ["f1"]}, {"data": {"k": 1}, "files": ["f2"]}]


@pytest.mark.parametrize(
    ("wires", "nodes"),
    [
        (["t -> s", "s -> a"], {"s": ("split", {"split": "data.none"})}),
        (["t -> s", "s -> a"], {"s": ("split", {"split": "(("})}),
        (["t -> s", "s -> a"], {"s": ("split", {"split": ""})}),
        (["t -> s", "s -> a"], {"s": ("split", {"split": "data.list", "filter": "(("})}),
        (["t -> m", "m -> a", "m -> b"], {"m": "multiplex", "b": EVENT}),
        (["t -> m", "m -> d", "d -> a"], {"m": "repeat", "d": ("decision", {"decision": "1"})}),
        (["t -> d", "d -> a"], {"d": ("decision", {"decision": "(("})}),
        (["t -> d"], {"d": ("decision", {"decision": "true"})}),
        ([], {}),
    ],
)
def test_a_node_that_cannot_do_its_part_is_a_warning_and_runs_nothing(
    wires: list[str], nodes: dict[str, Any]
) -> None:
    done = run(graph_of(*wires, t="trigger", a=EVENT, **nodes), given={"data": {"list": [1]}, "files": []})

    assert not done.ran
    assert done.complete == [Complete("warning", "Some workflow nodes reported warnings.")]
    assert done.notes


def test_two_outputs_of_a_fan_out_that_has_failed_jobs_reports_the_jobs() -> None:
    workflow = graph_of("t -> r", "r -> a", "a -continue-> b", t="trigger", a=EVENT, b=EVENT,
                        r=("repeat", {"repeat": 2, "continue": 50}))  # fmt: skip

    done = run(workflow, outcome=ending(a=1))

    assert done.ran == {"a": 2}
    assert done.complete == [Complete(1, "All workflow jobs failed.")]


@pytest.mark.parametrize(("codes", "ran"), [([0, 1], 1), ([1, 1], 0), ([0, 0], 1)])
def test_continue_needs_its_share_of_successes(codes: list[int], ran: int) -> None:
    workflow = graph_of("t -> r", "r -> a", "a -continue-> b", t="trigger", a=EVENT, b=EVENT,
                        r=("repeat", {"repeat": 2, "continue": 50}))  # fmt: skip

    assert run(workflow, outcome=ending(a=codes)).ran["b"] == ran


def test_retried_attempts_count_for_nothing() -> None:
    workflow = graph_of("t -> r", "r -> a", "a -continue-> b", t="trigger", a=EVENT, b=EVENT,
                        r=("repeat", {"repeat": 2, "continue": 100}))  # fmt: skip

    done = run(workflow, outcome=ending(a=Outcome(retries=1)))

    assert done.ran == {"a": 2, "b": 1}
    assert done.run.state["r"]["count"] == 2
    assert done.complete[0].code == 0


def test_better_4_only_the_present_activation_counts_towards_continue() -> None:
    workflow = graph_of(
        "t -> r1", "r1 -> a", "a -continue-> r2", "r2 -> b", "b -continue-> c",
        t="trigger", a=EVENT, b=EVENT, c=EVENT,
        r1=("repeat", {"repeat": 4}), r2=("repeat", {"repeat": 2, "continue": 60}),
    )  # fmt: skip

    done = run(workflow, outcome=ending(b=[0, 1]))

    assert done.ran == {"a": 4, "b": 2}


def test_a_false_decision_may_abort_the_run_and_its_other_branches() -> None:
    workflow = graph_of(
        "t -> a", "t -> d", "d -> b", "a -complete-> c",
        t="trigger", a=EVENT, b=EVENT, c=EVENT, d=("decision", {"decision": "false", "abort": True}),
    )  # fmt: skip

    done = run(workflow)

    assert done.ran == {"a": 1}
    assert done.complete[0].code == "abort"


def test_better_5_a_wait_holds_every_arrival() -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -success-> w", "w -> b",
        t="trigger", r=("repeat", {"repeat": 3}), a=EVENT, b=EVENT, w=("wait", {"wait": 10}),
    )  # fmt: skip

    done = run(workflow, outcome=lambda node, number, given: Outcome(data=number))

    assert sorted(given["data"] for given in done.inputs("b")) == [0, 1, 2]


def test_an_action_in_the_flow_keeps_the_run_alive_until_it_is_done() -> None:
    workflow = graph_of("t -> x", t="trigger", x=("action", {"enabled": True, "type": "email"}))
    simulation = Simulation(workflow)

    simulation.begin("t")

    assert not simulation.run.over
    assert [type(command) for command in simulation.waiting] == [Act]
    simulation.until_over()
    assert simulation.run.state["x"]["code"] == 0


@pytest.mark.parametrize("data", [{"enabled": False, "type": "email"}, {"enabled": True, "type": "suspend"}])
def test_disabled_actions_and_suspends_are_not_run_in_the_flow(data: dict[str, Any]) -> None:
    done = run(graph_of("t -> x", t="trigger", x=("action", data)))

    assert done.complete[0].code == ("warning" if data["enabled"] else 0)


@pytest.mark.parametrize(
    ("workflow", "start"),
    [
        ({}, "t"),
        (graph_of(t="trigger"), ""),
        (graph_of(t="trigger"), "other"),
        (graph_of("t -> x", t="trigger", x="nonsense"), "t"),
        (graph_of("t -> x", t="trigger", x=("controller", {"controller": "nonsense"})), "t"),
        (graph_of("t -> m", "m -> a", t="trigger", m="multiplex", a=EVENT), "t"),
    ],
)
def test_what_cannot_run_is_aborted_with_a_reason(workflow: Any, start: str) -> None:
    done = run(workflow, start)

    assert done.complete[0].code == "abort"
    assert done.complete[0].description


def test_a_trigger_that_was_deleted_aborts_the_run() -> None:
    done = run(graph_of("t -> a", t="trigger", a=EVENT), triggers=frozenset())

    assert done.complete == [Complete("abort", "Workflow trigger not found: t")]


def test_an_abort_lets_nothing_new_begin_and_ends_with_the_last_job() -> None:
    workflow = graph_of("t -> r", "r -> a", "a -complete-> b", t="trigger", r=("repeat", {"repeat": 2}),
                        a=EVENT, b=EVENT)  # fmt: skip
    simulation = Simulation(workflow)
    simulation.begin("t")

    simulation.abort("enough")

    assert not simulation.run.over
    assert simulation.until_over() == Complete("abort", "enough")
    assert simulation.ran == {"a": 2}
    assert simulation.run.state["r"]["active"] is False


def test_an_abort_of_a_run_without_jobs_ends_it_at_once() -> None:
    simulation = Simulation(graph_of("t -> w", "w -> a", t="trigger", w=("wait", {"wait": 60}), a=EVENT))
    simulation.begin("t")

    simulation.abort("enough")

    assert simulation.complete == [Complete("abort", "enough")]


def test_a_redirect_replaces_the_wires_of_a_job() -> None:
    workflow = graph_of("t -> a", "a -success-> b", t="trigger", a=EVENT, b=EVENT, c=EVENT)

    assert run(workflow, outcome=ending(a=Outcome(redirect="c"))).ran == {"a": 1, "c": 1}


def test_better_6_a_split_of_ten_thousand_is_throttled_not_aborted() -> None:
    workflow = graph_of("t -> s", "s -> a", t="trigger", a=EVENT, s=("split", {"split": "data"}))

    done = run(workflow, given={"data": list(range(10_000)), "files": []}, most_jobs=500)

    assert done.ran == {"a": 10_000}
    assert done.most_at_work == 500
    assert done.complete[0].code == 0


def test_more_items_than_may_wait_are_refused() -> None:
    workflow = graph_of("t -> r", "r -> a", t="trigger", a=EVENT, r=("repeat", {"repeat": 10**9}))

    done = run(workflow)

    assert not done.ran
    assert done.complete[0].code == "warning"


@pytest.mark.parametrize(
    "workflow",
    [
        graph_of("t -> a", "a -complete-> a2", "a2 -complete-> a", t="trigger", a=EVENT, a2=EVENT),
        graph_of("t -> a", "a -complete-> r", "r -> a", t="trigger", a=EVENT, r=("repeat", {"repeat": 2})),
        graph_of("t -> d", "d -> d2", "d2 -> d", t="trigger", d=("decision", {"decision": "true"}),
                 d2=("decision", {"decision": "true"})),
        graph_of("t -> w", "w -> w", t="trigger", w=("wait", {"wait": 0})),
    ],
)  # fmt: skip
def test_a_loop_ends_at_its_bound_with_a_clear_state(workflow: Any) -> None:
    done = run(workflow, most_jobs=50)

    assert sum(done.ran.values()) <= 51
    assert done.complete[0].code == "abort"
    assert "loop" in done.complete[0].description


def test_a_chain_of_thousands_of_nodes_exhausts_nothing() -> None:
    names = [f"n{number}" for number in range(5000)]
    nodes = {name: ("decision", {"decision": "true"}) for name in names}
    wires = [f"{one} -> {two}" for one, two in zip(["t", *names], [*names, "a"], strict=True)]

    assert run(graph_of(*wires, t="trigger", a=EVENT, **nodes)).ran == {"a": 1}


def test_better_3_a_failed_workflow_goes_on_from_its_failed_nodes() -> None:
    workflow = graph_of(
        "t -> r", "r -> a", "a -continue-> j", "t -> b", "b -success-> j", "j -> c",
        t="trigger", r=("repeat", {"repeat": 3, "continue": 100}), a=EVENT, b=EVENT, c=EVENT, j="join",
    )  # fmt: skip
    first = run(workflow, given={"data": {"x": 1}, "files": []}, outcome=ending(a=[0, 1, 0], b=1))
    assert first.complete[0].code == "warning"

    again = first.rerun(outcome=ending(a=Outcome(data={"second": True})))
    again.until_over()

    assert again.ran == {"a": 1, "b": 1, "c": 1}
    assert again.inputs("a") == [{"data": {"x": 1}, "files": []}]
    assert len(again.inputs("c")[0]["data"]["items"]) == 4
    assert again.complete[0].code == 0


def test_better_3_an_aborted_fan_out_launches_the_rest_when_run_again() -> None:
    workflow = graph_of("t -> s", "s -> a", "a -continue-> b", t="trigger", a=EVENT, b=EVENT,
                        s=("split", {"split": "data"}))  # fmt: skip
    first = Simulation(workflow, most_jobs=2)
    first.begin("t", {"data": [1, 2, 3, 4, 5], "files": []})
    first.end(0)
    first.abort("enough")
    first.until_over()
    assert first.ran["a"] == 3

    again = first.rerun(outcome=ending())
    again.until_over()

    assert sorted(given["data"]["item"] for given in again.inputs("a")) == [2, 3, 4, 5]
    assert again.ran == {"a": 4, "b": 1}
