import pytest

from conductor.administration import config_paths
from conductor.administration.config_paths import WITHHELD
from conductor.errors import BadParameter
from conductor.settings import Settings


def test_secrets_are_withheld() -> None:
    """admin.yaml, "Where to be better": the original answers them in clear."""
    document = {
        "secret_key": "k",
        "SSO": {"a": 1},
        "ttl": 5,
        "mail_settings": {"host": "h", "auth": {"user": "u", "pass": "p"}},
        "database_url": "postgresql://u:p@h/n",
        "list": [{"api_key": "k"}],
        "admin_password": "",
    }
    assert config_paths.shown(document) == {
        "ttl": 5,
        "mail_settings": {"host": "h", "auth": {"user": "u", "pass": WITHHELD}},
        "database_url": f"postgresql://{WITHHELD}@h/n",
        "list": [{"api_key": WITHHELD}],
        "admin_password": "",
    }
    assert config_paths.overrides_shown({"mail_settings.auth.pass": "p", "ttl": 1, "secret_key": "k"}) == {
        "mail_settings.auth.pass": WITHHELD,
        "ttl": 1,
    }


@pytest.mark.parametrize(
    "path",
    [
        "secret_key",
        "SSO.x",
        "Debug",
        "config_overrides_file",
        "database_url",
        "a.__proto__",
        "",
        "a b",
        "a..b",
    ],
)
def test_paths_that_may_not_be_set(path: str) -> None:
    with pytest.raises(BadParameter):
        config_paths.steps(path)


def test_values_have_types() -> None:
    """admin.yaml, "Where to be better": in the original one bad path keeps it from starting again."""
    assert config_paths.settings_of({"ttl": 5}).ttl == 5
    with pytest.raises(BadParameter, match="ttl"):
        config_paths.settings_of({"ttl": "soon"})
    with pytest.raises(BadParameter, match="leads into a value"):
        config_paths.placed({"ttl": 5}, ["ttl", "x"], 1)


def test_every_setting_is_described() -> None:
    text = config_paths.described()
    assert "## ttl" in text
    assert "## secret_key" not in text
    unseen = {"secret_key", "previous_secret_keys", "SSO"}
    assert text.count("\n## ") == len(set(Settings.__struct_fields__) - unseen)
