"""Questions to satellites, and what comes back (snapshots.md, "Where to be better" 4)."""

import asyncio
from typing import Any

import pytest

from conductor.errors import Unavailable
from conductor.fleet.fresh_samples import FreshSamples
from conductor.fleet.plugin_tests import PluginTests
from conductor.fleet.questions import Questions

SERVER = {"id": "s1", "info": {"features": {"takeSample": True}}}


class Satellite:
    """Answers with what a test gives it, or not at all."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []
        self.questions = Questions(self.tell)

    def tell(self, server_id: str, cmd: str, request: Any) -> None:
        self.asked.append((server_id, cmd))
        if self.answer:
            answer = {"request_id": request["request_id"], **self.answer}
            asyncio.get_running_loop().call_soon(
                self.questions.answered, "s2", {**answer, "data": {"wrong": 1}}
            )
            asyncio.get_running_loop().call_soon(self.questions.answered, "s1", answer)


async def test_a_sample_of_now_is_what_the_server_itself_answers() -> None:
    satellite = Satellite(data={"load": [1, 2, 3]})
    assert await FreshSamples(satellite.questions).take(SERVER) == {"load": [1, 2, 3]}
    assert satellite.asked == [("s1", "takeSample")]


@pytest.mark.parametrize("data", [{}, None, 5, {"dummy": True}, {"x": {(1, 2): 1}}, {"x": "y" * 5_000_000}])
async def test_what_cannot_be_kept_is_no_sample(data: Any) -> None:
    assert await FreshSamples(Satellite(data=data).questions).take(SERVER) is None


async def test_who_does_not_answer_is_not_waited_for_long() -> None:
    silent = Satellite()
    assert await FreshSamples(silent.questions, patience=0.05).take(SERVER) is None
    assert "timed out" in (await PluginTests(silent.questions, timeout=0.05).run("s1", "p"))["result"]


@pytest.mark.parametrize("info", [{}, None, {"features": None}, {"features": {"testMonitorPlugin": True}}])
async def test_a_satellite_that_cannot_is_not_asked(info: Any) -> None:
    satellite = Satellite(data={"load": [1]})
    assert await FreshSamples(satellite.questions).take({"id": "s1", "info": info}) is None
    assert satellite.asked == []


async def test_questions_are_bounded() -> None:
    silent = Satellite()
    waiting = [asyncio.create_task(silent.questions.ask("s1", "x", {}, 0.3)) for _ in range(100)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await silent.questions.ask("s1", "x", {}, 0.3)
    assert await FreshSamples(silent.questions).take(SERVER) is None
    assert [answer for _, answer in await asyncio.gather(*waiting)] == [None] * 100
