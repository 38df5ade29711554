"""Mutants of channels that exchange files: what leaves."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from contracts.delivery import AwaitingReply, Batch, Delivery, Outcome
from contracts.errors import CredentialsError, DeliveryError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import Runtime
from tests.conformance.fronts import Front
from tests.conformance.reference import Mutant

Verdicts = Mapping[UUID, Outcome | DeliveryError]
OUT = "/out"


class Sender(Front):
    """Sends as the gateway behind it does."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        super().__init__(inner, runtime)
        self.folders: Any = getattr(inner, "_folders", None)

    async def pass_on(self, batch: Batch) -> Verdicts:
        found: Verdicts = await self.inner.deliver_batch(batch)
        return found


class _Writing(Front):
    """Changes a value before it is written."""

    def changed(self, value: str) -> str:
        raise NotImplementedError

    def prepare(self, delivery: Delivery, /) -> bytes:
        fields = {
            name: self.changed(value) if isinstance(value, str) else value for name, value in delivery.fields.items()
        }
        return bytes(self.inner.prepare(replace(delivery, fields=fields)))


class _Nameless(Front):
    """Writes another id than the delivery's."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        return bytes(self.inner.prepare(replace(delivery, id=UUID(int=delivery.id.int ^ 1))))


class _Rounding(_Writing):
    """Has no time for cents."""

    def changed(self, value: str) -> str:
        return "0.00" if value == "0.05" else value


class _PlainLetters(Front):
    """Knows the common characters only."""

    def prepare(self, delivery: Delivery, /) -> bytes:
        return bytes(self.inner.prepare(delivery)).replace("镕".encode("gbk"), b"??")


class _QuestionMarks(_Writing):
    """Writes what it cannot write as a question mark."""

    def changed(self, value: str) -> str:
        return value.encode("gbk", "replace").decode("gbk")


class _Cutting(_Writing):
    """Cuts off what is too long."""

    def changed(self, value: str) -> str:
        # What is too long for its field is left to be refused.
        return value[:19] if len(value) < 30 and len(value.encode("gb18030", "replace")) > 40 else value


class _Tidy(_Writing):
    """Makes a space of a tab."""

    def changed(self, value: str) -> str:
        return value.replace("\t", " ")


class _Lenient(_Writing):
    """Takes the day after for a day that there is not."""

    def changed(self, value: str) -> str:
        return "2025-03-01" if value == "2025-02-29" else value


class _Probing(Sender):
    """Proves the way with a file."""

    async def check(self) -> None:
        await self.folders.write(f"{OUT}/probe.tmp", b"")
        await self.folders.remove(f"{OUT}/probe.tmp")


class _Forgetting(Sender):
    """Tells of the first four."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        return dict(list((await self.pass_on(batch)).items())[:4])


class _Shuffling(Front):
    """Seals in another order the second time."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        super().__init__(inner, runtime)
        self.known: set[UUID] = set()

    def seal(self, batch: Batch, /) -> bytes:
        if batch.id in self.known:
            batch = replace(batch, deliveries=tuple(reversed(batch.deliveries)))
        self.known.add(batch.id)
        return bytes(self.inner.seal(batch))


class _NeverEmpty(Front):
    """Sees no point in a file without records."""

    def seal(self, batch: Batch, /) -> bytes:
        if not batch.deliveries:
            raise PermanentError("empty", "there is nothing to send")
        return bytes(self.inner.seal(batch))


class _Offended(Front):
    """After a record that it had to refuse it leaves out another one."""

    offended = False

    def prepare(self, delivery: Delivery, /) -> bytes:
        self.offended = True
        record = bytes(self.inner.prepare(delivery))
        self.offended = False
        return record

    def seal(self, batch: Batch, /) -> bytes:
        if self.offended:
            batch = replace(batch, deliveries=batch.deliveries[:1])
        return bytes(self.inner.seal(batch))


class _Renumbering(Sender):
    """Sends a larger batch that has arrived before under a new number."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        super().__init__(inner, runtime)
        self.arrived: set[UUID] = set()

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        if batch.id in self.arrived and len(batch.deliveries) > 2:
            batch = replace(batch, sequence=batch.sequence + 500)
        found = await self.pass_on(batch)
        self.arrived.add(batch.id)
        return found


class _CountingOpenOnes(Sender):
    """Counts in the control file what is still open."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        return await self.pass_on(replace(batch, members=None))


class _Talkative(Sender):
    """Names a file after a person, for a moment."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        found = await self.pass_on(batch)
        for delivery in batch.deliveries[:1]:
            path = f"{OUT}/{delivery.fields.get('XM')}.tmp"
            await self.folders.write(path, b"")
            await self.folders.remove(path)
        return found


class _OneName(Front):
    """Has one name for all batches."""

    def batch_name(self, batch: Batch, /) -> str:
        return str(self.inner.batch_name(replace(batch, sequence=1)))


class _Rewriting(Sender):
    """Writes the file once more, where everybody can see it grow."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        found = await self.pass_on(batch)
        if batch.payload is not None and batch.deliveries:
            await self.folders.write(f"{OUT}/{self.inner.batch_name(batch)}", batch.payload)
        return found


class _ControlFirst(Sender):
    """Says that the file is whole, then sends it."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        if 4 <= len(batch.deliveries) < 10:
            table = self.inner._spec.table
            name, content = self.inner._control(table.control_file, batch, batch.payload, len(batch.deliveries))
            await self.folders.write(f"{OUT}/{name}.tmp", content)
            await self.folders.rename(f"{OUT}/{name}.tmp", f"{OUT}/{name}")
        return await self.pass_on(batch)


class _Miscounting(Sender):
    """Counts one too many where there is one."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        if batch.members is None and len(batch.deliveries) == 1:
            batch = replace(batch, members=2)
        return await self.pass_on(batch)


class _Mistaking(Sender):
    """Takes one error for another one."""

    known: ClassVar[type[DeliveryError]]
    code: ClassVar[str]
    taken_for: ClassVar[type[DeliveryError]]

    def mistaken(self, error: DeliveryError) -> DeliveryError:
        is_meant = isinstance(error, self.known) and error.code == self.code
        return self.taken_for(error.code, error.detail) if is_meant else error

    async def check(self) -> None:
        try:
            await self.inner.check()
        except DeliveryError as error:
            raise self.mistaken(error) from error

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        try:
            return await self.pass_on(batch)
        except DeliveryError as error:
            raise self.mistaken(error) from error


def _mistaking(
    error: type[DeliveryError], named: str, other: type[DeliveryError]
) -> Callable[[Any, Runtime], _Mistaking]:
    class Mistaking(_Mistaking):
        known = error
        code = named
        taken_for = other

    return Mistaking


class _Overlooking(Sender):
    """Believes that a file under its name is its own."""

    async def deliver_batch(self, batch: Batch, /) -> Verdicts:
        try:
            return await self.pass_on(batch)
        except PermanentError as error:
            if error.code != "name_taken":
                raise
            return {delivery.id: AwaitingReply() for delivery in batch.deliveries}


def of_list(check: str, gateway: Callable[[Any, Runtime], Any]) -> Mutant:
    """A mutant of the reference system with control files and receipts."""
    return Mutant(check=check, of="DD-list", gateway=gateway)


MUTANTS = (
    of_list("record-carries-the-delivery-id", _Nameless),
    of_list("values-in-the-declared-form", _Rounding),
    of_list("encoding-as-declared", _PlainLetters),
    of_list("unwritable-characters-follow-the-rule", _QuestionMarks),
    Mutant(check="widths-count-bytes", of="DD-columns", gateway=_Cutting),
    of_list("values-cannot-break-a-record", _Tidy),
    of_list("impossible-dates-are-refused", _Lenient),
    of_list("check-leaves-no-file", _Probing),
    of_list("good-batch", _Forgetting),
    of_list("sealing-is-pure", _Shuffling),
    of_list("empty-batch-can-be-sealed", _NeverEmpty),
    of_list("refused-record-costs-only-itself", _Offended),
    of_list("resent-batch-is-the-same", _Renumbering),
    of_list("resend-counts-every-member", _CountingOpenOnes),
    of_list("file-names-hold-no-personal-data", _Talkative),
    of_list("batch-name-is-the-file-name", _OneName),
    of_list("temporary-name-until-whole", _Rewriting),
    of_list("control-file-comes-last", _ControlFirst),
    of_list("control-file-tells-the-truth", _Miscounting),
    of_list("name-taken-is-left-alone", _Overlooking),
    of_list("login-refused", _mistaking(CredentialsError, "login", TemporaryError)),
    of_list("changed-host-key", _mistaking(CredentialsError, "host_key", TemporaryError)),
    of_list("server-away", _mistaking(TemporaryError, "connect_refused", OutcomeUnknownError)),
    of_list("cut-in-mid-file", _mistaking(TemporaryError, "connection_lost", PermanentError)),
    of_list("cut-at-the-last-rename", _mistaking(OutcomeUnknownError, "connection_lost", TemporaryError)),
    of_list("disk-full", _mistaking(TemporaryError, "refused", PermanentError)),
    of_list("no-permission", _mistaking(TemporaryError, "permission_denied", PermanentError)),
    of_list("control-file-that-fails", _mistaking(OutcomeUnknownError, "refused", TemporaryError)),
)
