from tests.databases import database_url, postgres, records

__all__ = ["database_url", "postgres", "records"]
