"""System hooks of conditions are told only where there is one."""

from collections.abc import Mapping
from typing import Any

from conductor.actions.condition_hooks import ConditionHooks
from conductor.signals import JobAccepted, JobConditionMet


async def test_a_configured_condition_fires_and_nothing_is_made_for_the_others() -> None:
    made: list[str] = []
    fired: list[tuple[str, Mapping[str, Any]]] = []
    configured = {"job_error": "https://x.example"}
    hooks = ConditionHooks(lambda: configured, lambda name, data: fired.append((name, data)))

    def met(condition: str) -> JobConditionMet:
        def data() -> dict[str, Any]:
            made.append(condition)
            return {"job": {"id": "j1"}}

        return JobConditionMet(job_id="j1", event_id="e1", condition=condition, hook_data=data)

    for condition in ("complete", "error", "tag:x"):
        await hooks.observe(met(condition))
    await hooks.observe(JobAccepted(job_id="j1", event_id="e1"))
    assert made == ["error"]
    assert fired == [("job_error", {"job": {"id": "j1"}})]
    configured.clear()
    configured["*"] = "hook"
    await hooks.observe(met("tag:x"))
    assert fired[-1][0] == "job_tag:x"
