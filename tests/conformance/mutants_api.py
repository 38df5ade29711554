"""Mutants of channels with an API."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from contracts.delivery import Completed, Decision, Delivery, Inbound, Outcome, Received, Reply
from contracts.errors import OutcomeUnknownError, PermanentError, TemporaryError
from tests.conformance.mutants_common import Front
from tests.conformance.reference import Mutant


class _Hopeful(Front):
    """Takes a broken connection for a message that never arrived."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except OutcomeUnknownError as error:
            if error.code == "connection_lost":
                raise TemporaryError(error.code, error.detail) from error
            raise


class _Busy(Front):
    """Proves the way by sending something."""

    async def check(self) -> None:
        await self.inner.deliver(sample())


def sample() -> Delivery:
    """A delivery that nobody asked for."""
    return Delivery(
        id=uuid4(),
        system="AA-register",
        operation="residence_check",
        round=1,
        case_no="1",
        item="AA001",
        item_version=1,
        step="s2",
        centre="1",
        attempt=1,
        send_before=datetime.now(UTC) + timedelta(days=1),
        fields={"XM": "样例", "SFZH": "1", "ZSLX": "01", "DDRQ": "2026-01-01"},
    )


class _Impatient(Front):
    """Takes a refusal that is called back for a message that was rejected."""

    async def receive(self, inbound: Inbound, /) -> Received:
        received: Received = await self.inner.receive(inbound)
        return replace(received, replies=[_rejected(one) for one in received.replies])


def _rejected(reply: Reply) -> Reply:
    outcome = reply.outcome
    if isinstance(outcome, Completed) and outcome.decision is Decision.REFUSED:
        return replace(reply, outcome=PermanentError("2", "refused"))
    return reply


class _Credulous(Front):
    """Takes a code that it does not know for a good one."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except OutcomeUnknownError as error:
            if error.code == "unknown_result_code":
                return Completed(decision=Decision.DONE, fields={})
            raise


class _Knocking(Front):
    """Proves the way before each message, with a call of its own."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        await self.inner.check()
        return await self.inner.deliver(delivery)  # type: ignore[no-any-return]


MUTANTS = (
    Mutant(check="check-has-no-effect", gateway=_Busy),
    Mutant(check="good-delivery", gateway=_Knocking),
    Mutant(check="refusal-is-a-decision", gateway=_Impatient),
    Mutant(check="unknown-code-is-unknown", gateway=_Credulous),
    Mutant(check="fault-lost-reply", gateway=_Hopeful),
    Mutant(check="fault-503", edits=(("timeouts =", 'status = { 503 = "permanent" }\ntimeouts ='),)),
)
