"""What create and update would store."""

import re
from typing import Any

import pytest

from conductor.definitions import drafts
from conductor.definitions.event_rules import require_access
from conductor.definitions.json_values import Json, copied
from conductor.definitions.kinds import KINDS
from conductor.errors import AccessDenied, BadParameter, Refusal
from tests.unit.definitions.samples import ADMIN, EVENT, NOW, WORKFLOW, Books, Caller, context

ANN = Caller()


def new(kind: str, doc: Any, by: Caller = ADMIN, books: Books | None = None) -> drafts.Draft:
    return drafts.new(KINDS[kind], doc, context(books, by), NOW)


def change(
    kind: str, stored: Json, changes: Any, by: Caller = ADMIN, books: Books | None = None
) -> drafts.Draft:
    return drafts.change(KINDS[kind], stored, changes, context(books, by), NOW + 60)


def test_the_conductor_writes_its_own_properties() -> None:
    forged = {"username": "root", "created": 1, "modified": 1, "revision": 99, "custom": {"kept": [1]}}
    doc = new("tags", {"title": "Tag", **forged}, ANN).doc
    assert re.fullmatch(r"t[a-z0-9]{15}", doc["id"])
    assert doc == {
        "id": doc["id"],
        "title": "Tag",
        "custom": {"kept": [1]},
        "username": "ann",
        "created": NOW,
        "modified": NOW,
        "revision": 1,
    }


def test_an_update_keeps_them_and_counts_the_revision() -> None:
    stored = new("tags", {"title": "Tag", "id": "mine"}, ANN).doc
    draft = change("tags", stored, {"id": "x", "username": "x", "created": 1, "revision": 5, "title": "New"})
    assert draft.doc == {**stored, "title": "New", "modified": NOW + 60, "revision": 2}
    assert draft.updated == ("title",)


@pytest.mark.parametrize("revision", [None, "+1", True, "x", [1]])
def test_a_missing_revision_counts_as_nothing(revision: Any) -> None:
    stored = {"id": "a", "title": "A", "revision": revision}
    assert change("tags", stored, {}).doc["revision"] == 1


@pytest.mark.parametrize(
    ("number", "step", "result"), [(5, "+1", 6), (5, "-7", -2), (5, "+0.5", 5.5), (1.5, "-1", 0.5)]
)
def test_signed_texts_move_stored_numbers(number: float, step: str, result: float) -> None:
    assert change("tags", {"id": "a", "title": "A", "n": number}, {"n": step}).doc["n"] == result


def test_signed_texts_replace_everything_else() -> None:
    stored = {"id": "a", "title": "A", "flag": True, "text": "x"}
    doc = change("tags", stored, {"flag": "+1", "text": "+1", "absent": "+1"}).doc
    assert (doc["flag"], doc["text"], doc["absent"]) == ("+1", "+1", "+1")


@pytest.mark.parametrize("step", ["+1.2.3", "+.", "+" + "9" * 400])
def test_a_step_that_is_no_number_is_refused(step: str) -> None:
    with pytest.raises(BadParameter, match="n"):
        change("tags", {"id": "a", "title": "A", "n": 1}, {"n": step})


def test_a_merge_is_shallow() -> None:
    stored = {"id": "a", "title": "A", "deep": {"x": 1, "y": 2}, "list": [1, 2]}
    doc = change("tags", stored, {"deep": {"x": 3}, "list": [], "gone": None}).doc
    assert (doc["deep"], doc["list"], doc["gone"]) == ({"x": 3}, [], None)
    assert stored["deep"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("kind", "doc", "text"),
    [
        ("tags", {}, "Missing parameter: title"),
        ("tags", {"title": " "}, "Malformed parameter: title"),
        ("tags", {"title": "A", "id": "A"}, "Malformed parameter: id"),
        ("tags", [], "not an object"),
        ("tags", {"title": "A", "x": eval("[" * 150 + "]" * 150)}, "nested too deeply"),  # noqa: S307
        ("categories", {"title": "A", "limits": {}}, "limits"),
        ("categories", {"title": "A", "actions": [{}]}, "Malformed action entry #1"),
        ("groups", {"title": "A"}, "Missing parameter: hostname_match"),
        ("groups", {"title": "A", "hostname_match": 5}, "hostname_match"),
        ("groups", {"title": "A", "hostname_match": "a", "alert_actions": "x"}, "alert_actions"),
        ("plugins", {"title": "A", "type": "event"}, "Missing parameter: command"),
        ("plugins", {"title": "A", "type": "events", "command": "x"}, "Malformed parameter: type"),
        ("plugins", {"title": "A", "type": "event", "command": "x", "params": {}}, "must be array"),
        ("plugins", {"title": "A", "type": "event", "command": "x", "uid": {}}, "uid"),
        ("api_keys", {"title": "A", "privileges": []}, "privileges"),
        ("api_keys", {"title": "A", "max_per_sec": "5"}, "max_per_sec"),
    ],
)
def test_bad_requests(kind: str, doc: Any, text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        new(kind, doc)


def test_a_bad_hostname_match_has_the_groups_code() -> None:
    with pytest.raises(Refusal, match="Invalid hostname match") as refusal:
        new("groups", {"title": "A", "hostname_match": "("})
    assert refusal.value.code == "group"


def test_defaults_of_the_simple_kinds() -> None:
    category = new("categories", {"title": "A"}).doc
    assert (category["enabled"], category["limits"], category["actions"]) == (True, [], [])
    assert new("categories", {"title": "A", "enabled": False}).doc["enabled"] is False
    assert new("groups", {"title": "A", "hostname_match": "a"}).doc["alert_actions"] == []
    assert new("plugins", {"title": "A", "type": "event", "command": "x"}).doc["enabled"] is True


def test_marketplace_plugins_choose_no_user() -> None:
    doc = {"title": "A", "type": "event", "command": "x", "uid": "root", "gid": 0}
    assert new("plugins", doc).doc["uid"] == "root"
    installed = new("plugins", {**doc, "marketplace": {"id": "a/b", "version": "v1"}}).doc
    assert "uid" not in installed
    assert "uid" not in change("plugins", installed, {"uid": "root"}).doc


def test_limited_callers_need_the_ids_they_touch() -> None:
    limited = Caller(categories=["mine"], groups=["web"])
    assert new("categories", {"title": "A", "id": "mine"}, limited).doc["id"] == "mine"
    for kind, doc in (("categories", {"title": "A"}), ("groups", {"title": "A", "hostname_match": "a"})):
        with pytest.raises(AccessDenied):
            new(kind, doc, limited)


def test_an_api_key_is_shown_once() -> None:
    forged = {"id": "kmine", "key": "x", "mask": "y", "active": 0}
    draft = new("api_keys", {"title": "Key", **forged})
    plain = draft.shown_once["plain_key"]
    assert re.fullmatch(r"[A-Za-z0-9]{24}", plain)
    assert draft.doc["id"] != "kmine"
    assert re.fullmatch(r"[0-9a-f]{64}", draft.doc["key"])
    assert draft.doc["mask"] == f"{plain[:4]}********{plain[-4:]}"
    assert (draft.doc["active"], draft.doc["description"], draft.doc["privileges"]) == (1, "", {})
    assert plain not in str(draft.doc)
    doc = change("api_keys", draft.doc, {"key": "forged", "mask": "forged", "active": 0}).doc
    assert (doc["key"], doc["mask"], doc["active"]) == (draft.doc["key"], draft.doc["mask"], 0)


class TestEvents:
    def test_the_documented_example_is_enough(self) -> None:
        request = {key: EVENT[key] for key in ("title", "enabled", "category", "targets", "plugin", "params")}
        doc = new("events", request).doc
        assert doc["algo"] == "random"
        assert (doc["limits"], doc["actions"], doc["triggers"], doc["fields"]) == ([], [], [], [])

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"title": ""}, "title"),
            ({"title": None}, "title"),
            ({"enabled": "maybe"}, "enabled"),
            ({"enabled": 1.5}, "enabled"),
            ({"category": "gone"}, "Category not found: gone"),
            ({"category": ["general"]}, "category"),
            ({"plugin": ""}, "Event has no plugin specified"),
            ({"plugin": "gone"}, "Plugin not found: gone"),
            ({"targets": []}, "Event has no targets specified"),
            ({"targets": "main"}, r"targets \(must be array\)"),
            ({"targets": [5]}, "Malformed target: 5"),
            ({"algo": "a b"}, "algo"),
            ({"notes": 5, "params": 5}, r"params \(must be object\)"),
            ({"params": {}}, "Event Plugin: Parameter 'script' is required."),
            ({"params": {"script": "x", "_xy_override_command": "y"}}, "reserved"),
            ({"expression": 5}, "expression"),
            ({"tags": "x"}, r"tags \(must be array\)"),
            ({"tags": ["a b"]}, "Malformed tag: a b"),
            ({"tags": ["gone"]}, "Unknown tag: gone"),
            ({"triggers": {}}, r"triggers \(must be array\)"),
            ({"limits": 5}, "limits"),
            ({"actions": "x"}, "actions"),
            ({"fields": {}}, "fields"),
            ({"fields": [{"id": "script", "type": "text"}]}, "locked parameter"),
            ({"type": "other"}, "type"),
            ({"type": "workflow"}, "no workflow object"),
            ({"update_state": []}, "update_state"),
            ({"stagger": "x"}, "stagger"),
        ],
    )
    def test_bad_events(self, changes: Json, text: str) -> None:
        with pytest.raises(BadParameter, match=text):
            new("events", {**EVENT, **changes})
        if "type" not in changes:
            with pytest.raises(BadParameter, match=text):
                change("events", {**EVENT, "id": "e2"}, changes)

    @pytest.mark.parametrize("key", ["title", "enabled", "category"])
    def test_required(self, key: str) -> None:
        with pytest.raises(BadParameter, match=f"Missing parameter: {key}"):
            new("events", {name: value for name, value in EVENT.items() if name != key})

    def test_launch_context_is_dropped(self) -> None:
        forged = dict.fromkeys(["command", "script", "uid", "gid", "cwd", "env", "kill", "runner"], "x")
        doc = new("events", {**EVENT, **forged, "session_id": "s"}).doc
        assert not {*forged, "session_id"} & set(doc)
        assert not set(forged) & set(change("events", doc, forged).doc)

    def test_workflows_have_their_own_plugin_and_no_targets(self) -> None:
        doc = new("events", {**WORKFLOW, "plugin": "shellplug", "targets": ["main"]}).doc
        assert (doc["plugin"], doc["targets"]) == ("_workflow", [])
        assert "algo" not in doc
        changed = change("events", doc, {"targets": ["main"], "plugin": "shellplug", "type": "x"}).doc
        assert (changed["plugin"], changed["targets"], changed["type"]) == ("_workflow", [], "workflow")
        with pytest.raises(BadParameter, match="multiplex"):
            change("events", doc, {"algo": "multiplex"})

    def test_state_is_set_aside(self) -> None:
        created = new("events", {**EVENT, "update_state": {"cursor": 5}})
        assert created.state == {"cursor": 5}
        assert "update_state" not in created.doc
        assert new("events", EVENT).state == {}
        assert change("events", created.doc, {"update_state": {"nth": 1}}).state == {"nth": 1}
        assert change("events", created.doc, {"title": "New"}).state is None

    def test_a_stale_revision_is_refused(self) -> None:
        stored = {**EVENT, "id": "e2", "revision": 3}
        assert change("events", stored, {"revision": 3}).doc["revision"] == 4
        assert change("events", stored, {"revision": 0}).doc["revision"] == 4
        for stale in (2, 4, "3", [3]):
            with pytest.raises(Refusal, match=r"Event out of date: e2 \(Revision mismatch") as refusal:
                change("events", stored, {"revision": stale})
            assert refusal.value.code == "event"

    def test_magic_keys_are_never_stored(self) -> None:
        triggers = [{"type": "magic", "enabled": True, "key": "open sesame"}]
        doc = new("events", {**EVENT, "triggers": triggers}).doc
        assert "open sesame" not in str(doc)
        assert "token" in doc["triggers"][0]
        assert triggers[0]["key"] == "open sesame"

    def test_stored_triggers_are_left_alone_by_other_updates(self) -> None:
        stored = {**EVENT, "id": "e2", "triggers": [{"type": "single", "enabled": True, "epoch": 119}]}
        assert change("events", stored, {"title": "New"}).doc["triggers"] == stored["triggers"]
        again = change("events", stored, {"triggers": stored["triggers"]}).doc["triggers"]
        assert again == [{"type": "single", "enabled": True, "epoch": 60}]

    def test_locked_params_hold_for_callers_who_are_no_administrators(self) -> None:
        default = Books().kinds["plugins"]["shellplug"]["params"][0]["value"]
        assert new("events", EVENT, ADMIN).doc["params"] == EVENT["params"]
        assert new("events", EVENT, ANN).doc["params"] == {"script": default}
        stored = {**EVENT, "id": "e2"}
        assert change("events", stored, {"params": {"script": "mine"}}, ANN).doc["params"] == EVENT["params"]
        assert change("events", stored, {"title": "New"}, ANN).doc["params"] == EVENT["params"]
        moved = {**EVENT, "id": "e2", "plugin": "plain", "params": {"script": "smuggled", "level": 3}}
        assert change("events", moved, {"plugin": "shellplug"}, ANN).doc["params"]["script"] == default

    def test_locked_params_hold_in_workflows(self) -> None:
        graph = {
            "nodes": [
                {
                    "id": "n",
                    "type": "job",
                    "x": 0,
                    "y": 0,
                    "data": {"plugin": "shellplug", "params": {"script": "x"}},
                }
            ],
            "connections": [],
        }
        default = Books().kinds["plugins"]["shellplug"]["params"][0]["value"]
        doc = new("events", {**WORKFLOW, "triggers": [], "workflow": graph}, ANN).doc
        assert doc["workflow"]["nodes"][0]["data"]["params"] == {"script": default}

    def test_limits_are_asked_of_the_old_and_the_new_event(self) -> None:
        books = Books()
        books.add("categories", id="mine", title="Mine", enabled=True)
        limited = Caller(categories=["mine"], groups=["web"])
        own = {**EVENT, "id": "e2", "category": "mine", "targets": ["web", "main"]}
        assert change("events", own, {"title": "New"}, limited, books).doc["title"] == "New"
        for stored, changes in (
            (own, {"category": "general"}),
            (own, {"targets": ["main"]}),
            ({**own, "category": "general"}, {"category": "mine"}),
        ):
            with pytest.raises(AccessDenied):
                change("events", stored, changes, limited, books)

    def test_limits_reach_into_workflows(self) -> None:
        books = Books()
        books.add("categories", id="mine", title="Mine", enabled=True)
        limited = Caller(categories=["mine"])
        inner = {**WORKFLOW, "id": "e3", "category": "mine", "plugin": "_workflow", "targets": []}
        books.add("events", **inner)
        node = {"id": "n", "type": "event", "x": 0, "y": 0, "data": {"event": "e3"}}
        outer = {
            **WORKFLOW,
            "category": "mine",
            "triggers": [],
            "workflow": {"nodes": [node], "connections": []},
        }
        with pytest.raises(AccessDenied, match="general"):
            new("events", outer, limited, books)
        inner["workflow"] = {"nodes": [{**node, "data": {"event": "e3"}}], "connections": []}
        books.add("events", **inner)
        assert (
            new("events", outer, limited, books).doc["category"] == "mine"
        )  # a graph that holds itself ends

    def test_a_workflow_that_lost_an_event_can_be_repaired(self) -> None:
        limited = Caller(categories=["general"])
        broken = {**copied(WORKFLOW), "id": "e3", "plugin": "_workflow", "targets": []}
        books = Books()
        del books.kinds["events"]["e1"]
        with pytest.raises(BadParameter, match="Unknown Event ID: e1"):
            change("events", broken, {"title": "New"}, limited, books)
        with pytest.raises(BadParameter, match="Unknown Event ID: e1"):
            require_access(broken, books, limited)
        empty = {"nodes": [], "connections": []}
        assert change("events", broken, {"workflow": empty}, limited, books).doc["workflow"] == empty


@pytest.mark.parametrize(
    "items", [None, [], {}, "x", [5], [{}], [{"id": 5}], [{"id": "a", "sort_order": "+1"}]]
)
def test_bad_orders(items: Any) -> None:
    with pytest.raises(BadParameter):
        drafts.orders(items)


def test_orders() -> None:
    items = [{"id": "a", "sort_order": 2, "title": "x"}, {"id": "b"}, {"id": "c", "sort_order": 1.0}]
    assert drafts.orders(items) == ({"a": 2, "c": 1}, ("sort_order", "title"))
    assert drafts.next_order([]) == 0
    assert drafts.next_order([{"sort_order": 3}, {}, {"sort_order": "x"}]) == 4
