"""Links to logs and streams end with time, and do not end with the secret key (contract api/jobs.yaml)."""

import pytest

from conductor.api.job_tokens import JobTokens
from conductor.api.signed_urls import Signed, UrlSigner
from conductor.settings import Settings
from shared import clock
from shared.protocol import tokens

DAY = 86_400


def test_rest_jobs_yaml_the_tokens_are_the_contracts() -> None:
    links = JobTokens(Settings(secret_key="k"))
    assert links.log("j1") == tokens.log_token("j1", "k")
    assert links.opens_log("j1", tokens.log_token("j1", "k"))
    assert links.opens_stream("j1", links.stream("j1"))
    assert not links.opens_log("j2", links.log("j1"))
    assert not links.opens_stream("j1", links.log("j1"))


@pytest.mark.parametrize(
    ("days_ago", "kept", "over"),
    [(0, 365, False), (364, 365, False), (366, 365, True), (4_000, 0, False), (2, 1, True)],
)
def test_rest_jobs_yaml_log_tokens_expire(days_ago: int, kept: int, over: bool) -> None:
    """Log and stream tokens never expire. Here they do a while after their job."""
    links = JobTokens(Settings(secret_key="k", job_link_days=kept))
    assert links.log_over({"completed": clock.now() - days_ago * DAY}) is over
    assert links.log_over({}) is False


def test_rest_jobs_yaml_stream_tokens_expire() -> None:
    assert JobTokens.stream_over({"completed": clock.now() - 2 * DAY})
    assert not JobTokens.stream_over({"completed": clock.now() - 60})


def test_rest_jobs_yaml_a_new_secret_breaks_no_link() -> None:
    """Rotating the secret breaks all links."""
    before = Settings(secret_key="old")
    after = Settings(secret_key="new", previous_secret_keys=["old"])
    links = JobTokens(after)
    assert links.opens_log("j1", JobTokens(before).log("j1"))
    assert links.opens_stream("j1", JobTokens(before).stream("j1"))
    assert not JobTokens(Settings(secret_key="new")).opens_log("j1", JobTokens(before).log("j1"))
    expires = int(clock.now()) + 60
    signature = tokens.url_signature("files/a", expires, "old")
    assert UrlSigner(after).opens("files/a", Signed(expires=str(expires), signature=signature))
