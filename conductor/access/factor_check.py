"""A code of a second factor is used up: decided and stored in one step, so that it is good once.

The account's record keeps the step of the last code. It changes under the accounts' lock and only by the primary
of the present term, so that neither two calls at a time nor a take-over let a code in twice.
"""

from collections.abc import Callable

from conductor.access.factor_secrets import FactorSecrets
from conductor.access.second_factor import MfaRefusal, active, spent, with_factor
from conductor.access.security_log import SecurityLog
from conductor.access.users import Json, Users, brief
from conductor.announcer import Signals
from conductor.signals import Activity, Actor
from shared.clock import now

WRONG = "The code of your second factor is not right, or was used before."


class FactorCheck:
    def __init__(self, users: Users, secrets: FactorSecrets, security: SecurityLog, signals: Signals) -> None:
        self._users = users
        self._secrets = secrets
        self._security = security
        self._signals = signals

    async def spend(
        self,
        user: Json,
        code: str,
        actor: Actor,
        *,
        admit: Callable[[Json], None],
        failed: Callable[[Json], Json],
    ) -> Json | None:
        """Use `code` up for `user`, whose factor is on: his record then, or None for a wrong one.

        `admit` sees the record before the code is looked at: what it raises comes through, and nothing has
        changed. `failed` counts a wrong code and makes the record that it leaves. Raises MfaRefusal when the
        factor cannot be checked or is another one by now.
        """
        factor = active(user)
        if factor is None:
            return user
        secret = await self._secrets.of(user, factor)
        right, recovered = False, False

        def revise(present: Json) -> Json:
            nonlocal right, recovered
            admit(present)
            current = active(present)
            if current is None or current.id != factor.id:
                raise MfaRefusal("Your second factor has just been changed. Please try again.")
            after = spent(current, secret, code, now())
            if after is None:
                return failed(present)
            right, recovered = True, after.recovery != current.recovery
            return with_factor(present, after)

        changed = await self._users.change(user["username"], revise)
        if recovered:
            await self._tell_of_recovery(changed, actor)
        return changed if right else None

    async def _tell_of_recovery(self, user: Json, actor: Actor) -> None:
        name, factor = user["username"], active(user)
        left = len(factor.recovery) if factor else 0
        text = f"A recovery code of {name} was used, {left} are left"
        self._signals.publish(
            Activity(
                action="user_mfa",
                description=text,
                payload={"user": brief(user)},
                keywords=(name,),
                resource=("user", name),
                actor=actor,
            )
        )
        await self._security.add(name, "warning", actor, description=text, user=brief(user))
