import pytest

from conductor.announcer import Signals
from conductor.definitions.defaults import seed
from conductor.definitions.repository import Definitions
from conductor.records.store import Records
from conductor.signals import DefinitionChanged, Signal
from tests.databases import database_url, postgres, records

__all__ = ["database_url", "definitions", "postgres", "records", "seen", "signals"]


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def seen(signals: Signals, monkeypatch: pytest.MonkeyPatch) -> list[DefinitionChanged]:
    """What is announced, in order."""
    announced: list[DefinitionChanged] = []

    def note(signal: Signal) -> None:
        assert isinstance(signal, DefinitionChanged)
        announced.append(signal)

    monkeypatch.setattr(signals, "publish", note)
    return announced


@pytest.fixture
async def definitions(records: Records, signals: Signals) -> Definitions:
    """A new installation's definitions."""
    opened = Definitions(records, signals)
    await opened.load()
    await seed(opened)
    return opened
