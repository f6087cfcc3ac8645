import pytest

from conductor.settings import Settings
from tests.databases import database_url, postgres, records
from tests.integration.tickets.desk import desk

__all__ = ["database_url", "desk", "postgres", "records"]


@pytest.fixture
def settings() -> Settings:
    made = Settings()
    made.tickets.email_debounce_sec = 0.0
    return made
