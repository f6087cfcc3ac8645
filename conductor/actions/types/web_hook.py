"""Web Hook (contract actions.md §6, §9). Firing itself is the outbound room's."""

from typing import Any

from conductor.actions import texts
from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    return await fire(occasion, means, occasion.action.get("web_hook"), occasion.action.get("text"))


async def fire(occasion: Occasion, means: Means, hook_id: Any, text: Any = None) -> Result:
    """Fire a hook with the occasion's data; `text` is expanded by itself and added to the data's own."""
    hook = means.around.find("web_hooks", hook_id)
    if hook is None:
        return failed("web_hook", f"Web Hook not found: {hook_id}")
    if not hook.get("enabled", True):
        return failed("web_hook", f"Web Hook is disabled: {hook.get('title') or hook_id}")
    if means.ports.web_hooks is None:
        return failed("web_hook", "Web hooks are not available.")
    data = occasion.data
    if isinstance(text, str) and text.strip():
        added = f"{data['text']} {texts.expanded(text, data, means.around)}"
        data = {**data, "text": added, "content": added, "message": added}
    secrets = means.ports.secrets.of_web_hook(str(hook["id"])) if means.ports.secrets else {}
    sent = await means.ports.web_hooks.fire(hook, data, secrets=secrets, idempotency_key=occasion.key)
    return Result("webhook" if sent.code else 0, sent.description, sent.details)
