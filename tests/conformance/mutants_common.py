"""Mutants of what every situation has: declarations, maps, manners."""

import asyncio
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar

from contracts.catalogue import ResultCode, ResultKind
from contracts.delivery import AwaitingReply, Delivery, Outcome
from contracts.errors import CredentialsError, PermanentError, TemporaryError
from contracts.plugin import Gateway, Runtime, System
from contracts.records import Fields
from contracts.situation import ChannelStatus, Situation
from tests.conformance.fronts import Front, Less, World, mapped, rewriting, texts
from tests.conformance.reference import Mutant


def _nameless(system: System) -> System:
    return replace(system, name_en="")


def _two_sending(system: System) -> System:
    return replace(system, channels=[*system.channels, replace(system.channels[0], status=ChannelStatus.SENDING)])


def _open_to_anything(system: System) -> System:
    """Its settings are a dictionary: what it does not know it does not see."""
    channel = system.channels[0]

    def open_(values: Fields, runtime: Runtime) -> AbstractAsyncContextManager[Gateway]:
        return channel.open({"url": "http://127.0.0.1:1"} if "host" in values else {"url": values["url"]}, runtime)

    return replace(system, channels=[replace(channel, open=open_)])


class _Counting(Front):
    """Puts the number of the message into it."""

    numbers = itertools.count()

    def prepare(self, delivery: Delivery, /) -> bytes:
        return bytes(self.inner.prepare(delivery)) + b" " * (next(self.numbers) % 7)


class _Careless(Front):
    """Notes in the delivery's own fields that it has been here."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        message = bytes(self.inner.prepare(delivery))
        fields: Any = delivery.fields
        fields["prepared"] = True
        return message


class _Generous(Front):
    """Sends what the hub hands over, whether the operation declares it or not."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        extra = {name: value for name, value in delivery.fields.items() if name == "undeclared"}
        return rewriting(self.inner.prepare(delivery), lambda message: {**message, **extra})


class _Fixed(Front):
    """Sends a date of its own."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        return rewriting(self.inner.prepare(delivery), lambda message: {**message, "DDRQ": "2026-01-01"})


def _known(delivery: Delivery) -> Delivery:
    """An operation that it does not know is the one that it knows best."""
    known = delivery.operation in {"residence_check", "residence_registration"}
    return delivery if known else replace(delivery, operation="residence_check")


def _filled(delivery: Delivery) -> Delivery:
    """What is missing is filled in."""
    return replace(delivery, fields={"XM": "-", **delivery.fields})


def _guessed(delivery: Delivery) -> Delivery:
    """What is no date is some day."""
    odd = delivery.fields.get("DDRQ") == "不是"
    return replace(delivery, fields={**delivery.fields, "DDRQ": "2026-01-01"}) if odd else delivery


class _Demanding(Front):
    """Wants a remark in any case."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        if not delivery.fields.get("BZ"):
            raise PermanentError("field_missing", "BZ is wanted")
        return bytes(self.inner.prepare(delivery))


class _Quoting(Front):
    """Shows what it could not take."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        try:
            return bytes(self.inner.prepare(delivery))
        except PermanentError as error:
            if error.code == "field_too_long":
                raise PermanentError(error.code, f"too long: {list(delivery.fields.values())}") from error
            raise


class _OneWay(Less):
    """Nothing brings a later answer."""

    lacks: ClassVar[tuple[str, ...]] = ("receive", "enquire", "collect")


Codes = Mapping[str, ResultCode]


def _with_codes(change: Callable[[Codes], Codes], key: str) -> Callable[[System], System]:
    """What was registered, with other codes of one operation."""

    def changed(system: System) -> System:
        operation = system.operations[key]
        codes = {**operation.result_codes, Situation.API: change(operation.result_codes[Situation.API])}
        return replace(system, operations={**system.operations, key: replace(operation, result_codes=codes)})

    return changed


def _without(*kinds: ResultKind) -> Callable[[Codes], Codes]:
    return lambda codes: {code: one for code, one in codes.items() if one.outcome not in kinds}


def _unnamed(codes: Codes) -> Codes:
    return {code: replace(one, name_zh="") if code == "3" else one for code, one in codes.items()}


def _fails_to_open(inner: Gateway, runtime: Runtime) -> Gateway:
    raise RuntimeError("no such table")


class _SecretByValue(Front):
    """Looks for the secret under what it should be."""

    async def check(self) -> None:
        self.runtime.secret("Pass Word 1!")
        await self.inner.check()


class _NoSecret(World):
    """Says in its own way that a secret is missing."""

    def secret(self, name: str) -> str:
        try:
            return str(self.inner.secret(name))
        except CredentialsError as error:
            raise KeyError(name) from error


class _Dictionary(Front):
    """Gives up on types at the third try."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        outcome: Any = await self.inner.deliver(delivery)
        return {"outcome": "granted"} if delivery.attempt == 3 else outcome  # type: ignore[return-value]


class _Stubborn(Front):
    """Tries again by itself where the department is busy."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except TemporaryError as error:
            if error.code == "http_503" and error.retry_after is None:
                return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
            raise


class _Deaf(Front):
    """Does not let itself be cancelled."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        try:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            return AwaitingReply()


class _Narrow(Front):
    """Has a queue of its own."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        self._places = asyncio.Semaphore(3)

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        async with self._places:
            return await self.inner.deliver(delivery)  # type: ignore[no-any-return]


class _Sleepy(Front):
    """Waits in the loop's own thread."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        if delivery.attempt == 4 and delivery.operation == "residence_check":
            time.sleep(3)  # noqa: ASYNC251 - this is its mistake
        return await self.inner.deliver(delivery)  # type: ignore[no-any-return]


async def _linger() -> None:
    await asyncio.sleep(30)


class _Busybody(Front):
    """Starts a task that nobody owns."""

    tasks: ClassVar[list[Any]] = []

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        self.tasks.append(asyncio.ensure_future(_linger()))


class _Threaded(Front):
    """Starts a thread that nobody ends."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        threading.Thread(target=threading.Event().wait, args=(20,), daemon=True).start()


class _Leaky(Front):
    """Opens a file and forgets it."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        os.open(os.devnull, os.O_RDONLY)


class _Single(Front):
    """Can be opened once a process."""

    def __init__(self, inner: Any, runtime: Any) -> None:
        super().__init__(inner, runtime)
        runtime.opened = getattr(runtime, "opened", 0) + 1
        self._number = runtime.opened

    async def check(self) -> None:
        if self._number > 1:
            raise PermanentError("open_already", "this channel is open already")
        await self.inner.check()


class _Talkative(Front):
    """Logs whom it serves."""

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        logging.getLogger("plugin").info("sending the case of %s", delivery.fields.get("XM"))
        return await self.inner.deliver(delivery)  # type: ignore[no-any-return]


class _Indiscreet(Front):
    """Logs how it signs in."""

    async def check(self) -> None:
        logging.getLogger("plugin").debug("signing in with %s", self.runtime.secret("aa_key"))
        await self.inner.check()


MUTANTS = (
    Mutant(check="channel-opens", gateway=_fails_to_open),
    Mutant(check="names-in-both-languages", system=_nameless),
    Mutant(
        check="codes-for-every-channel",
        system=_with_codes(_without(ResultKind.GRANTED, ResultKind.DONE), "residence_check"),
    ),
    Mutant(check="codes-in-both-languages", system=_with_codes(_unnamed, "residence_check")),
    Mutant(
        check="decisions-can-be-refused",
        system=_with_codes(_without(ResultKind.REFUSED, ResultKind.RETURNED), "residence_registration"),
    ),
    Mutant(check="fields-have-labels", edits=((', label_zh = "备注", label_en = "Remark"', ""),)),
    Mutant(check="later-answers-have-a-way-back", gateway=_OneWay),
    Mutant(check="later-answers-are-due", edits=((", reply_within_hours = 240", ""),)),
    Mutant(check="attempt-outlasts-timeouts", edits=(("attempt_seconds = 30", "attempt_seconds = 9"),)),
    Mutant(check="settings-are-checked", system=_open_to_anything),
    Mutant(check="secrets-are-named", gateway=_SecretByValue),
    Mutant(check="missing-secret-is-told", world=_NoSecret),
    Mutant(check="sample-for-every-operation", without=("samples/AA001_rented.json",)),
    Mutant(check="readme-is-there", without=("README.md",)),
    Mutant(check="one-sending-channel", system=_two_sending),
    Mutant(check="prepare-is-repeatable", gateway=_Counting),
    Mutant(check="input-is-left-alone", gateway=_Careless),
    Mutant(check="only-declared-fields-leave", gateway=_Generous),
    Mutant(check="every-declared-field-is-sent", gateway=_Fixed),
    Mutant(check="missing-required-field-is-refused", gateway=mapped(_filled)),
    Mutant(check="optional-fields-may-be-empty", gateway=_Demanding),
    Mutant(check="unknown-operation-is-refused", gateway=mapped(_known)),
    Mutant(check="long-values-are-refused", gateway=texts(lambda text: text[:30])),
    Mutant(check="wrong-types-are-refused", gateway=mapped(_guessed)),
    Mutant(check="rare-characters-arrive", gateway=texts(lambda text: text.replace("𠮷", "?"))),
    Mutant(check="markup-is-escaped", gateway=texts(lambda text: text.replace("<", "&lt;"))),
    Mutant(check="control-characters-do-no-harm", gateway=texts(lambda text: text.replace("\x00", ""))),
    Mutant(check="returns-contract-types", gateway=_Dictionary),
    Mutant(check="one-message-per-attempt", gateway=_Stubborn),
    Mutant(check="cancel-ends-an-attempt", gateway=_Deaf),
    Mutant(check="hanging-deliveries-hold-nobody", gateway=_Narrow),
    Mutant(check="loop-is-not-blocked", gateway=_Sleepy),
    Mutant(check="leaves-no-task", gateway=_Busybody),
    Mutant(check="leaves-no-thread", gateway=_Threaded),
    Mutant(check="leaves-nothing-open", gateway=_Leaky),
    Mutant(check="opens-again", gateway=_Single),
    Mutant(check="logs-name-nobody", gateway=_Talkative),
    Mutant(check="errors-name-nobody", gateway=_Quoting),
    Mutant(check="secrets-are-not-told", gateway=_Indiscreet),
)
