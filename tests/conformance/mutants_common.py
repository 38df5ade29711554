"""Mutants of what every situation has: declarations and maps."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from contracts.catalogue import ResultCode, ResultKind
from contracts.delivery import Delivery
from contracts.plugin import Gateway, Runtime, System
from contracts.situation import ChannelStatus, Situation
from tests.conformance.reference import Mutant

CAPABILITIES = (
    "deliver",
    "check",
    "prepare",
    "enquire",
    "receive",
    "collect",
    "seal",
    "deliver_batch",
    "batch_name",
    "print_sheets",
    "print_handover",
    "confirm",
)


class Front:
    """Everything as the gateway behind it does, but for what a mutant overrides. It has the capabilities of that gateway and no others."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        self.inner = inner
        self.runtime = runtime
        for name in CAPABILITIES:
            if hasattr(inner, name) and not hasattr(type(self), name):
                setattr(self, name, getattr(inner, name))


class Less(Front):
    """The same without capabilities that a mutant names in ``lacks``."""

    lacks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        super().__init__(inner, runtime)
        for name in self.lacks:
            self.__dict__.pop(name, None)


def _nameless(system: System) -> System:
    return replace(system, name_en="")


def _two_sending(system: System) -> System:
    return replace(system, channels=[*system.channels, replace(system.channels[0], status=ChannelStatus.SENDING)])


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
    """Sends whatever the hub hands over."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        message = orjson.loads(self.inner.prepare(delivery))
        extra = {name: value for name, value in delivery.fields.items() if name == "undeclared"}
        return orjson.dumps({**message, **extra}, option=orjson.OPT_SORT_KEYS)


class _Obliging(Front):
    """Takes an operation that it does not know for the one that it knows best."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        known = {"residence_check", "residence_registration"}
        if delivery.operation not in known:
            delivery = replace(delivery, operation="residence_check")
        return bytes(self.inner.prepare(delivery))


class _Incomplete(Front):
    """Fills in what is missing."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        return bytes(self.inner.prepare(replace(delivery, fields={"XM": "-", **delivery.fields})))


class _OneWay(Less):
    """Nothing brings a later answer."""

    lacks: ClassVar[tuple[str, ...]] = ("receive", "enquire", "collect")


def _with_codes(
    change: Callable[[Mapping[str, ResultCode]], Mapping[str, ResultCode]], situation: Situation, key: str
) -> Callable[[System], System]:
    """What was registered, with other codes of one operation."""

    def changed(system: System) -> System:
        operation = system.operations[key]
        codes = {**operation.result_codes, situation: change(operation.result_codes[situation])}
        return replace(system, operations={**system.operations, key: replace(operation, result_codes=codes)})

    return changed


def _no_yes(codes: Mapping[str, ResultCode]) -> Mapping[str, ResultCode]:
    return {code: one for code, one in codes.items() if one.outcome not in {ResultKind.GRANTED, ResultKind.DONE}}


def _no_no(codes: Mapping[str, ResultCode]) -> Mapping[str, ResultCode]:
    return {code: one for code, one in codes.items() if one.outcome not in {ResultKind.REFUSED, ResultKind.RETURNED}}


def _fails_to_open(inner: Gateway, runtime: Runtime) -> Gateway:
    raise RuntimeError("no such table")


MUTANTS = (
    Mutant(check="channel-opens", gateway=_fails_to_open),
    Mutant(check="names-in-both-languages", system=_nameless),
    Mutant(check="codes-for-every-channel", system=_with_codes(_no_yes, Situation.API, "residence_check")),
    Mutant(check="decisions-can-be-refused", system=_with_codes(_no_no, Situation.API, "residence_registration")),
    Mutant(check="later-answers-have-a-way-back", gateway=_OneWay),
    Mutant(check="one-sending-channel", system=_two_sending),
    Mutant(check="prepare-is-repeatable", gateway=_Counting),
    Mutant(check="input-is-left-alone", gateway=_Careless),
    Mutant(check="only-declared-fields-leave", gateway=_Generous),
    Mutant(check="missing-required-field-is-refused", gateway=_Incomplete),
    Mutant(check="unknown-operation-is-refused", gateway=_Obliging),
)
