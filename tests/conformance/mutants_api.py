"""Mutants of channels with an API."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4, uuid5

import orjson

from adapters.signature import signature
from contracts.delivery import (
    Answer,
    AwaitingReply,
    Completed,
    Decision,
    Delivery,
    Inbound,
    Lookup,
    NotFound,
    Outcome,
    Received,
    Reply,
    Returned,
)
from contracts.errors import (
    DeliveryError,
    DuplicateError,
    InboundRefused,
    OutcomeUnknownError,
    PermanentError,
    TemporaryError,
)
from contracts.plugin import HttpAnswer, HttpRequest
from tests.conformance.fronts import Front, Reading, client, delivered
from tests.conformance.mutants_faults import permanent, temporary
from tests.conformance.reference import Mutant

End = Outcome | DeliveryError
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


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


class _Busy(Front):
    """Proves the way by sending something."""

    async def check(self) -> None:
        await self.inner.deliver(sample())


class _Impatient(Front):
    """Asks for the end at once, instead of waiting for it."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        outcome: Outcome = await self.inner.deliver(delivery)
        found = await self.inner.enquire(delivery) if isinstance(outcome, AwaitingReply) else outcome
        return outcome if isinstance(found, NotFound) else found


def hearing(change: Callable[[Reply], Reply]) -> type[Front]:
    """A gateway that understands what is called back in its own way."""

    class _Hearing(Front):
        async def receive(self, inbound: Inbound, /) -> Received:
            received: Received = await self.inner.receive(inbound)
            return replace(received, replies=[change(one) for one in received.replies])

    return _Hearing


def ending(when: Callable[[End], bool], becomes: Callable[[Any], End]) -> type[Front]:
    """The same for the outcome of a reply."""
    return hearing(lambda reply: replace(reply, outcome=becomes(reply.outcome)) if when(reply.outcome) else reply)


def decided(decision: Decision) -> Callable[[End], bool]:
    return lambda end: isinstance(end, Completed) and end.decision is decision


def _without_amount(end: Completed) -> Completed:
    return replace(end, fields={name: value for name, value in end.fields.items() if name != "amount"})


class _Credulous(Front):
    """Takes a code that it does not know for a good one."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except OutcomeUnknownError as error:
            if error.code == "unknown_result_code":
                return Completed(decision=Decision.DONE, fields={})
            raise


class _Alias(Reading):
    """Has numbers of its own, and no room for the hub's."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        self._real: dict[bytes, bytes] = {}

    def _named(self, found: re.Match[bytes]) -> bytes:
        own = str(uuid5(UUID(int=7), found[0].decode())).encode()
        self._real[own] = found[0]
        return own

    def request(self, request: HttpRequest) -> HttpRequest:
        return replace(request, body=_ID.sub(self._named, request.body))

    async def answer(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        body = _ID.sub(lambda found: self._real.get(found[0], found[0]), answer.body)
        return replace(answer, body=body)


class _Naming(Reading):
    """Says in a header whose case it is."""

    def request(self, request: HttpRequest) -> HttpRequest:
        if not request.body:
            return request
        name = quote(str(orjson.loads(request.body).get("XM", "")))
        return replace(request, headers={**request.headers, "X-Applicant": name})


class _KeyInUrl(Reading):
    """Has its key in the address."""

    def request(self, request: HttpRequest) -> HttpRequest:
        key = self.runtime.secret("bb_secret")
        return request if "?" in request.url else replace(request, url=f"{request.url}?key={key}")


class _Crowded(Front):
    """Turns away what is more than three at once."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        self._now = 0

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        if self._now >= 5:
            raise TemporaryError("too_many", "five are under way")
        self._now += 1
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        finally:
            self._now -= 1


def asking(change: Callable[[Any], Any]) -> type[Front]:
    """A gateway that understands what an enquiry finds in its own way."""

    class _Asking(Front):
        async def enquire(self, delivery: Delivery, /) -> Outcome | NotFound:
            try:
                found = await self.inner.enquire(delivery)
            except DeliveryError as error:
                found = change(error)
                if isinstance(found, DeliveryError):
                    raise
                return found  # type: ignore[no-any-return]
            return change(found)  # type: ignore[no-any-return]

    return _Asking


def _not_found(what: Lookup, when: Callable[[Any], bool]) -> type[Front]:
    return asking(lambda found: NotFound(what=what) if when(found) else found)


def _is_missing(found: Any) -> bool:
    return isinstance(found, NotFound) and found.what is Lookup.NOT_RECEIVED


class _Sending(Front):
    """Sends what an enquiry does not find."""

    async def enquire(self, delivery: Delivery, /) -> Outcome | NotFound:
        found: Outcome | NotFound = await self.inner.enquire(delivery)
        if _is_missing(found):
            await self.inner.deliver(delivery)
        return found


class _Grasping(Front):
    """Takes every answer out before it hands over the first."""

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        for replies in [replies async for replies in self.inner.collect()]:
            yield replies


def _taken(inbound: Inbound) -> Received:
    """What an unproven call says."""
    said = orjson.loads(inbound.body)
    outcome = Completed(decision=Decision.GRANTED, fields={})
    reply = Reply(delivery_id=UUID(said["delivery_id"]), outcome=outcome, happened_at=datetime.now(UTC))
    return Received(replies=(reply,), answer=Answer(), failure=Answer(status=503))


def believing(when: Callable[[Inbound, InboundRefused], bool]) -> type[Front]:
    """A gateway that takes some calls that it should refuse."""

    class _Believing(Front):
        async def receive(self, inbound: Inbound, /) -> Received:
            try:
                return await self.inner.receive(inbound)  # type: ignore[no-any-return]
            except InboundRefused as refused:
                if b"delivery_id" in inbound.body and when(inbound, refused):
                    return _taken(inbound)
                raise

    return _Believing


class _ShortSighted(Front):
    """Compares the beginning of a signature."""

    async def receive(self, inbound: Inbound, /) -> Received:
        try:
            return await self.inner.receive(inbound)  # type: ignore[no-any-return]
        except InboundRefused as refused:
            headers, key = inbound.headers, self.runtime.secret("aa_key").encode()
            at, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
            path = "/v1/callbacks/AA-register"
            right = signature(key, "hmac-sha256", "POST", path, at, nonce, inbound.body)
            if refused.code == "forged" and headers["x-signature"][:32] == right[:32]:
                return _taken(inbound)
            raise


class _Trimming(Front):
    """Signs for what is left after trimming."""

    async def receive(self, inbound: Inbound, /) -> Received:
        return await self.inner.receive(replace(inbound, body=inbound.body.strip()))  # type: ignore[no-any-return]


class _CountingCalls(Front):
    """Adds how often it was called."""

    calls = 0

    async def receive(self, inbound: Inbound, /) -> Received:
        received: Received = await self.inner.receive(inbound)
        self.calls += 1
        replies = [
            replace(one, outcome=replace(one.outcome, fields={**one.outcome.fields, "calls": self.calls}))
            if isinstance(one.outcome, Completed)
            else one
            for one in received.replies
        ]
        return replace(received, replies=replies)


class _Polite(Front):
    """Thanks for a call that could not be stored."""

    async def receive(self, inbound: Inbound, /) -> Received:
        received: Received = await self.inner.receive(inbound)
        return replace(received, failure=Answer())


class _Trusting(Front):
    """Reads before it verifies."""

    async def receive(self, inbound: Inbound, /) -> Received:
        orjson.loads(inbound.body)
        return await self.inner.receive(inbound)  # type: ignore[no-any-return]


MUTANTS = (
    Mutant(check="check-has-no-effect", gateway=_Busy),
    Mutant(check="good-delivery", gateway=_Impatient),
    Mutant(
        check="success-is-a-decision",
        gateway=ending(decided(Decision.GRANTED), lambda end: replace(end, decision=Decision.DONE)),
    ),
    Mutant(check="answers-bring-their-fields", gateway=ending(decided(Decision.GRANTED), _without_amount)),
    Mutant(check="refusal-is-a-decision", gateway=ending(decided(Decision.REFUSED), lambda _: permanent())),
    Mutant(
        check="return-wants-a-correction",
        gateway=ending(
            lambda end: isinstance(end, Returned), lambda _: Completed(decision=Decision.REFUSED, fields={})
        ),
    ),
    Mutant(
        check="busy-is-temporary", gateway=ending(lambda end: isinstance(end, TemporaryError), lambda _: permanent())
    ),
    Mutant(
        check="rejection-is-permanent",
        gateway=ending(
            lambda end: isinstance(end, PermanentError) and not isinstance(end, DuplicateError), lambda _: temporary()
        ),
    ),
    Mutant(
        check="duplicate-is-known", gateway=ending(lambda end: isinstance(end, DuplicateError), lambda _: permanent())
    ),
    Mutant(check="unknown-code-is-unknown", gateway=_Credulous),
    Mutant(check="delivery-id-travels", of="BB-list", world=client(_Alias)),
    Mutant(
        check="same-id-acts-once",
        gateway=delivered(lambda one: replace(one, id=uuid4()) if one.possible_duplicate else one),
    ),
    Mutant(check="stored-message-is-sent", gateway=delivered(lambda one: replace(one, payload=None))),
    Mutant(
        check="too-late-is-not-sent",
        gateway=delivered(lambda one: replace(one, send_before=one.send_before + timedelta(days=9))),
    ),
    Mutant(
        check="possible-duplicates-are-marked", gateway=delivered(lambda one: replace(one, possible_duplicate=False))
    ),
    Mutant(check="test-copies-are-marked", gateway=delivered(lambda one: replace(one, test=False))),
    Mutant(check="nobody-is-named-in-the-address", world=client(_Naming)),
    Mutant(check="no-secret-in-the-address", of="BB-list", world=client(_KeyInUrl)),
    Mutant(check="deliveries-keep-apart", gateway=_Crowded),
    Mutant(
        check="later-answer-comes-back",
        gateway=hearing(lambda reply: replace(reply, happened_at=datetime(1970, 1, 1, tzinfo=UTC))),
    ),
    Mutant(
        check="enquiry-finds-the-outcome",
        gateway=_not_found(Lookup.CANNOT_TELL, lambda found: isinstance(found, Completed | AwaitingReply)),
    ),
    Mutant(check="enquiry-knows-what-never-came", gateway=_not_found(Lookup.CANNOT_TELL, _is_missing)),
    Mutant(check="enquiry-has-no-effect", gateway=_Sending),
    Mutant(
        check="enquiry-believes-no-fault",
        gateway=_not_found(Lookup.NOT_RECEIVED, lambda found: isinstance(found, OutcomeUnknownError)),
    ),
    Mutant(check="collected-answers-stay-until-stored", of="BB-list", gateway=_Grasping),
    Mutant(
        check="callback-unsigned-is-refused",
        gateway=believing(lambda inbound, refused: refused.code == "unsigned" and "x-nonce" not in inbound.headers),
    ),
    Mutant(check="callback-forged-is-refused", gateway=_ShortSighted),
    Mutant(check="callback-altered-is-refused", gateway=_Trimming),
    Mutant(
        check="callback-replayed-is-refused", gateway=believing(lambda inbound, refused: refused.code == "replayed")
    ),
    Mutant(check="callback-repeated-says-the-same", gateway=_CountingCalls),
    Mutant(check="callback-failure-is-told", gateway=_Polite),
    Mutant(check="callback-without-sense-is-refused", gateway=_Trusting),
)
