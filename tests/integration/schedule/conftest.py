from tests.integration.jobs.conftest import house, redis_url

__all__ = ["house", "redis_url"]
