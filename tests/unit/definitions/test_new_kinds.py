"""Rules of alerts, channels, monitors, roles, secrets and web hooks, by tables."""

from typing import Any

import pytest

from conductor.definitions import drafts
from conductor.definitions.json_values import Json
from conductor.definitions.kinds import KINDS
from conductor.errors import AccessDenied, Refusal
from tests.unit.definitions.samples import ADMIN, EVENT, NOW, Books, Caller, context

ALERT = {"title": "A", "expression": "cpu.load > 1", "message": "Load is {{ cpu.load }}"}
WINDOW = {"title": "Move", "start": 100, "end": 200, "servers": ["s1"]}
MONITOR = {"title": "M", "source": "cpu.load", "data_type": "float"}
HOOK = {"title": "W", "url": "https://example.org/", "method": "POST"}
ROLE = {"title": "R"}
SECRET = {"title": "Z"}
PLUGIN = {"title": "P", "type": "event", "command": "x"}


def new(kind: str, doc: Any, by: Caller = ADMIN, books: Books | None = None) -> Json:
    return drafts.new(KINDS[kind], doc, context(books, by), NOW).doc


def change(kind: str, stored: Json, changes: Json, by: Caller = ADMIN, books: Books | None = None) -> Json:
    return drafts.change(KINDS[kind], stored, changes, context(books, by), NOW).doc


BAD = [
    ("alerts", ALERT, {"expression": "1 +"}, "alert", "Invalid expression"),
    ("alerts", ALERT, {"message": "{{ 1 + }}"}, "alert", "Invalid macro in message"),
    ("alerts", ALERT, {"expression": " "}, "api", "expression"),
    ("alerts", ALERT, {"samples": 0}, "api", "samples"),
    ("alerts", ALERT, {"samples": "1"}, "api", "samples"),
    ("alerts", ALERT, {"groups": "main"}, "api", "groups"),
    ("alerts", ALERT, {"groups": [5]}, "api", "groups"),
    ("alerts", ALERT, {"enabled": "yes"}, "api", "enabled"),
    ("alerts", ALERT, {"actions": [{"type": "email"}]}, "api", "action entry #1"),
    ("alerts", ALERT, {"flap_limit": -1}, "api", "flap_limit"),
    ("alerts", ALERT, {"flap_minutes": 0}, "api", "flap_minutes"),
    ("alerts", ALERT, {"repeat_minutes": "often"}, "api", "repeat_minutes"),
    ("alerts", ALERT, {"escalations": {"after": 5}}, "api", "escalations"),
    ("alerts", ALERT, {"escalations": [{"after": 0, "actions": []}]}, "api", "escalation #1: after"),
    ("alerts", ALERT, {"escalations": [{"after": True, "actions": []}]}, "api", "escalation #1: after"),
    ("alerts", ALERT, {"escalations": [{"after": 5}]}, "api", "escalation #1"),
    ("alerts", ALERT, {"escalations": [{"after": 5, "actions": [{"type": "email"}]}]}, "api", "action entry #1"),
    ("alerts", ALERT, {"escalations": [{"after": 5, "actions": []}] * 21}, "api", "at most 20"),
    ("maintenance_windows", WINDOW, {"end": 100}, "api", "end"),
    ("maintenance_windows", WINDOW, {"start": "soon"}, "api", "start"),
    ("maintenance_windows", WINDOW, {"servers": "s1"}, "api", "servers"),
    ("maintenance_windows", WINDOW, {"servers": []}, "api", "everywhere"),
    ("maintenance_windows", WINDOW, {"title": " "}, "api", "title"),
    ("monitors", MONITOR, {"source": "(("}, "monitor", "Invalid source"),
    ("monitors", MONITOR, {"data_match": "("}, "monitor", "Invalid data_match"),
    ("monitors", MONITOR, {"min_vert_scale": "1"}, "api", "min_vert_scale"),
    ("monitors", MONITOR, {"delta_min_value": True}, "api", "delta_min_value"),
    ("monitors", MONITOR, {"groups": {}}, "api", "groups"),
    ("channels", {"title": "C"}, {"users": "ann"}, "api", "users"),
    ("channels", {"title": "C"}, {"users": [None]}, "api", "users"),
    ("channels", {"title": "C"}, {"email": "nobody"}, "api", "email"),
    ("channels", {"title": "C"}, {"sound": "../x"}, "api", "sound"),
    ("channels", {"title": "C"}, {"max_per_day": -1}, "api", "max_per_day"),
    ("channels", {"title": "C"}, {"max_per_day": "5"}, "api", "max_per_day"),
    ("channels", {"title": "C"}, {"web_hook": "nope"}, "channel", "Web Hook not found: nope"),
    ("channels", {"title": "C"}, {"run_event": "nope"}, "channel", "Event not found: nope"),
    ("web_hooks", HOOK, {"url": "ftp://x"}, "api", "url"),
    ("web_hooks", HOOK, {"url": "https://x/{{ 1 + }}"}, "web_hook", "Invalid macro in url"),
    ("web_hooks", HOOK, {"method": "P OST"}, "api", "method"),
    ("web_hooks", HOOK, {"body": "{{ 1 + }}"}, "web_hook", "Invalid macro in body"),
    ("web_hooks", HOOK, {"body": {}}, "api", "body"),
    ("web_hooks", HOOK, {"headers": {"X": "y"}}, "web_hook", "headers"),
    ("web_hooks", HOOK, {"headers": [{"name": "X"}]}, "web_hook", "#1"),
    ("web_hooks", HOOK, {"headers": [{"name": "X", "value": "a\r\nb"}]}, "web_hook", "Invalid value"),
    ("web_hooks", HOOK, {"headers": [{"name": "X Y", "value": ""}]}, "web_hook", "Invalid name"),
    ("web_hooks", HOOK, {"headers": [{"name": "X", "value": "{{ 1 + }}"}]}, "web_hook", "header X"),
    ("web_hooks", HOOK, {"retries": -1}, "api", "retries"),
    ("web_hooks", HOOK, {"timeout": "5"}, "api", "timeout"),
    ("roles", ROLE, {"privileges": ["admin"]}, "api", "privileges"),
    ("roles", ROLE, {"privileges": {"a b": True}}, "api", "Malformed privilege"),
    ("roles", ROLE, {"categories": "general"}, "api", "categories"),
    ("secrets", SECRET, {"fields": {}}, "api", "fields"),
    ("secrets", SECRET, {"fields": ["x"]}, "api", "fields"),
    ("secrets", SECRET, {"fields": [{"name": "a-b", "value": ""}]}, "secret", "Invalid secret variable name"),
    ("secrets", SECRET, {"fields": [{"name": "toString", "value": ""}]}, "secret", "toString"),
    ("secrets", SECRET, {"fields": [{"name": "N", "value": 5}]}, "api", "value of N"),
    ("secrets", SECRET, {"fields": [{"name": "N", "value": "a"}] * 2}, "secret", "Duplicate"),
    ("secrets", SECRET, {"events": ["nope"]}, "secret", "unknown ID in events: nope"),
    ("categories", {"title": "C"}, {"color": "#fff"}, "api", "color"),
    ("plugins", PLUGIN, {"kill": "some"}, "api", "kill"),
    ("plugins", PLUGIN, {"groups": "main"}, "api", "groups"),
    ("groups", {"title": "G", "hostname_match": "."}, {"max_jobs_per_server": -1}, "api", "max_jobs"),
    ("api_keys", {"title": "K"}, {"roles": [5]}, "api", "roles"),
    ("events", EVENT, {"algo": "astrology"}, "api", "unknown: astrology"),
    ("events", EVENT, {"algo": "monitor:nope"}, "api", "monitor not found: nope"),
    ("tags", {"title": "T"}, {"id": "_success"}, "api", "begin with _"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "good", "bad", "code", "text"), BAD, ids=str)
def test_refused_on_create_and_update(kind: str, good: Json, bad: Json, code: str, text: str) -> None:
    stored = new(kind, good)
    with pytest.raises(Refusal) as on_create:
        new(kind, good | bad)
    assert on_create.value.code == code
    assert text in on_create.value.description
    if "id" in bad:
        return
    with pytest.raises(Refusal) as on_update:
        change(kind, stored, bad)
    assert (on_update.value.code, on_update.value.description) == (code, on_create.value.description)


def test_a_bad_data_type_has_another_code_on_update() -> None:
    with pytest.raises(Refusal) as on_create:
        new("monitors", MONITOR | {"data_type": "text"})
    with pytest.raises(Refusal) as on_update:
        change("monitors", new("monitors", MONITOR), {"data_type": "text"})
    assert (on_create.value.code, on_update.value.code) == ("api", "monitor")


@pytest.mark.parametrize(
    ("kind", "doc", "defaults"),
    [
        ("alerts", ALERT, {"enabled": True, "samples": 1, "groups": [], "actions": []}),
        ("channels", {"title": "C"}, {"enabled": True, "users": []}),
        ("buckets", {"title": "B", "data": {"a": 1}, "files": []}, {"enabled": True}),
        ("roles", ROLE, {"enabled": True, "privileges": {}, "categories": [], "groups": []}),
        (
            "secrets",
            SECRET,
            {
                "enabled": True,
                "icon": "",
                "notes": "",
                "names": [],
                "events": [],
                "categories": [],
                "plugins": [],
                "web_hooks": [],
            },
        ),
        (
            "web_hooks",
            HOOK | {"timeout": 0},
            {
                "enabled": True,
                "body": "",
                "timeout": 30,
                "retries": 0,
                "follow": False,
                "ssl_cert_bypass": False,
                "max_per_day": 0,
                "notes": "",
                "icon": "",
            },
        ),
    ],
)
def test_defaults(kind: str, doc: Json, defaults: Json) -> None:
    """An alert without `samples` or `enabled`, and a channel without `users`, work (better: both)."""
    sent = {key: value for key, value in doc.items() if key not in ("data", "files")}
    stored = new(kind, doc)
    automatic = {"id": stored["id"], "username": "admin", "created": NOW, "modified": NOW, "revision": 1}
    assert stored == sent | defaults | automatic


def test_the_actions_of_an_escalation_need_no_condition() -> None:
    email = {"enabled": True, "type": "email", "email": "boss@example.org"}
    steps = [{"after": 30, "actions": [email]}]
    assert new("alerts", ALERT | {"escalations": steps})["escalations"] == steps


def test_a_window_that_is_given_nothing_to_mute_is_refused_and_everywhere_is_not() -> None:
    """alerts.md, "Where to be better" 7: maintenance windows; a forgotten list must not mute the fleet."""
    stored = new("maintenance_windows", WINDOW | {"servers": None, "everywhere": True})
    assert (stored["enabled"], stored["servers"], stored["username"]) == (True, [], "admin")
    assert change("maintenance_windows", stored, {"end": 300})["end"] == 300
    with pytest.raises(Refusal):
        change("maintenance_windows", stored, {"everywhere": False})
    with pytest.raises(Refusal):
        change("maintenance_windows", stored, {"start": 200})
    with pytest.raises(Refusal) as refused:
        new("maintenance_windows", WINDOW, Caller(groups=["main"]))
    assert refused.value.code == "alert"


@pytest.mark.parametrize("kind", ["alerts", "monitors"])
def test_callers_limited_to_groups_manage_neither_alerts_nor_monitors(kind: str) -> None:
    doc = ALERT if kind == "alerts" else MONITOR
    limited, stored = Caller(groups=["main"]), new(kind, doc)
    for attempt in (lambda: new(kind, doc, limited), lambda: change(kind, stored, {"title": "B"}, limited)):
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.code == "alert"
    assert new(kind, doc, Caller(categories=["general"]))["title"]


def test_a_comparison_inside_a_macro_is_no_markup() -> None:
    """Better: stripping `<…>` does not eat `a < b and c > d` inside macros."""
    text = "<b>Low</b> {{ a < b }} and {{ c > d }} <i {{ x }}>end"
    assert new("alerts", ALERT | {"message": text})["message"] == "Low {{ a < b }} and {{ c > d }} end"


def test_an_alert_and_a_monitor_may_share_an_id() -> None:
    """Better: their compiled expressions have no common namespace."""
    assert new("alerts", ALERT | {"id": "cpu"})["id"] == new("monitors", MONITOR | {"id": "cpu"})["id"]


class TestRoles:
    """Better: a caller can only grant what it holds, and cannot lift limits through a role."""

    EDITOR = Caller(privileges=["run_jobs"])

    def test_privileges_are_true_or_absent(self) -> None:
        doc = new("roles", ROLE | {"privileges": {"run_jobs": 1, "admin": 0, "tag_jobs": "yes", "x_y": True}})
        assert doc["privileges"] == {"run_jobs": True, "tag_jobs": True, "x_y": True}

    def test_nobody_grants_what_they_do_not_hold(self) -> None:
        assert new("roles", ROLE | {"privileges": {"run_jobs": True}}, self.EDITOR)["privileges"]
        with pytest.raises(AccessDenied, match="admin"):
            new("roles", ROLE | {"privileges": {"admin": True}}, self.EDITOR)
        stored = new("roles", ROLE | {"privileges": {"abort_jobs": True}})
        with pytest.raises(AccessDenied, match="admin"):
            change("roles", stored, {"privileges": {"abort_jobs": True, "admin": True}}, self.EDITOR)
        kept = change("roles", stored, {"privileges": {"abort_jobs": True, "run_jobs": True}}, self.EDITOR)
        assert kept["privileges"] == {"abort_jobs": True, "run_jobs": True}

    def test_switching_a_role_on_grants_what_is_in_it(self) -> None:
        stored = new("roles", ROLE | {"enabled": False, "privileges": {"admin": True}})
        with pytest.raises(AccessDenied, match="admin"):
            change("roles", stored, {"enabled": True}, self.EDITOR)
        assert change("roles", stored, {"title": "New"}, self.EDITOR)["title"] == "New"

    @pytest.mark.parametrize("changes", [{"categories": []}, {"groups": ["main"]}, {"enabled": False}])
    def test_a_limited_caller_changes_no_limit(self, changes: Json) -> None:
        stored = new("roles", ROLE | {"categories": ["general"]})
        with pytest.raises(AccessDenied):
            change("roles", stored, changes, Caller(categories=["general"]))
        assert change("roles", stored, changes, Caller())

    def test_nor_deletes_one(self) -> None:
        check = KINDS["roles"].authorise_delete
        assert check is not None
        with pytest.raises(AccessDenied):
            check(new("roles", ROLE | {"groups": ["main"]}), context(by=Caller(groups=["main"])))
        check(new("roles", ROLE), context(by=Caller(groups=["main"])))


class TestSecrets:
    FIELDS = ({"name": "B", "value": "1", "extra": "x"}, {"name": "A", "value": ""})

    def test_values_are_kept_apart(self) -> None:
        draft = drafts.new(KINDS["secrets"], SECRET | {"fields": list(self.FIELDS)}, context(), NOW)
        assert "fields" not in draft.doc
        assert draft.doc["names"] == ["B", "A"]
        assert draft.apart == {"fields": [{"name": "B", "value": "1"}, {"name": "A", "value": ""}]}

    def test_an_update_without_fields_keeps_them(self) -> None:
        stored = new("secrets", SECRET | {"fields": list(self.FIELDS)})
        draft = drafts.change(KINDS["secrets"], stored, {"title": "New"}, context(), NOW)
        assert (draft.doc["names"], draft.apart) == (["B", "A"], {})

    def test_names_cannot_lie_about_the_content(self) -> None:
        """Better: a client's list of names without fields is ignored."""
        stored = new("secrets", SECRET | {"names": ["LIE"]})
        assert stored["names"] == []
        assert change("secrets", stored, {"names": ["LIE"]})["names"] == []

    def test_assignments_that_vanished_are_in_nobodys_way(self) -> None:
        stored = new("secrets", SECRET) | {"events": ["gone"]}
        assert change("secrets", stored, {"events": ["gone", "e1"]})["events"] == ["gone", "e1"]


class TestPlugins:
    """Better: editing plugins is no way to become root, or to run something on the conductor."""

    EDITOR = Caller(privileges=["create_plugins", "edit_plugins"])

    @pytest.mark.parametrize("bad", [{"uid": "root"}, {"gid": 0}, {"type": "action"}, {"type": "scheduler"}])
    def test_what_only_administrators_do(self, bad: Json) -> None:
        with pytest.raises(AccessDenied):
            new("plugins", PLUGIN | bad, self.EDITOR)
        assert new("plugins", PLUGIN | bad)["title"] == "P"
        with pytest.raises(AccessDenied):
            change("plugins", new("plugins", PLUGIN), bad, self.EDITOR)

    def test_nobody_else_changes_what_runs_as_another_user(self) -> None:
        stored = new("plugins", PLUGIN | {"uid": "root", "script": "true"})
        with pytest.raises(AccessDenied, match="another user"):
            change("plugins", stored, {"script": "false"}, self.EDITOR)
        whole = {**stored, "title": "New", "notes": "n"}
        assert change("plugins", stored, whole, self.EDITOR)["title"] == "New"

    def test_the_type_of_a_used_plugin_stays(self) -> None:
        """Better: update_plugin validates type and command, and does not switch the type under events."""
        books = Books()
        books.add("events", id="e2", **EVENT | {"plugin": "plain"})
        stored = books.kinds["plugins"]["plain"]
        with pytest.raises(Refusal, match="in use by e2"):
            change("plugins", stored, {"type": "monitor"}, books=books)
        with pytest.raises(Refusal, match="command"):
            change("plugins", stored, {"command": " "}, books=books)
        del books.kinds["events"]["e2"]
        assert change("plugins", stored, {"type": "monitor"}, books=books)["type"] == "monitor"


def test_a_category_limited_caller_learns_why_it_cannot_create() -> None:
    """Better: the refusal of a generated ID says what to do."""
    with pytest.raises(AccessDenied, match="whose ID it has been given"):
        new("categories", {"title": "C"}, Caller(categories=["mine"]))
    assert new("categories", {"title": "C", "id": "mine"}, Caller(categories=["mine"]))["id"] == "mine"


def test_a_stored_colour_of_another_palette_is_kept() -> None:
    stored = new("categories", {"title": "C"}) | {"color": "#fff"}
    assert change("categories", stored, {"title": "D", "color": "#fff"})["color"] == "#fff"


def test_an_expected_revision_is_asked_for_in_any_kind() -> None:
    """Better: optional optimistic locking beyond events."""
    stored = new("roles", ROLE)
    done = change("roles", stored, {"title": "New", "expected_revision": 1})
    assert (done["revision"], "expected_revision" in done) == (2, False)
    with pytest.raises(Refusal, match="1 != 2") as refused:
        change("roles", done, {"title": "Newer", "expected_revision": 1})
    assert refused.value.code == "role"


def test_privileges_of_api_keys_are_normalised() -> None:
    """Better: 1, true and "1" are all true; what is falsy is not granted."""
    doc = new("api_keys", {"title": "K", "privileges": {"admin": 1, "run_jobs": "1", "tag_jobs": 0}})
    assert doc["privileges"] == {"admin": True, "run_jobs": True}
