from tests.databases import database_url, postgres, records
from tests.databases import records as both_records

__all__ = ["both_records", "database_url", "postgres", "records"]
