"""Mutants of channels that exchange files: what comes back."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from adapters.control_files import control_content
from contracts.delivery import Completed, Decision, Delivery, Reply, Returned
from contracts.errors import DeliveryError, DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from contracts.exchange import Collected, FileState, ReceiptVerdict
from contracts.plugin import Runtime
from tests.conformance.fronts import Front
from tests.conformance.mutants_files import of_list

GRANTED = Completed(decision=Decision.GRANTED, fields={})


class _Reader(Front):
    """Reads as the gateway behind it does, and remembers the deliveries that it has seen."""

    def __init__(self, inner: Any, runtime: Runtime) -> None:
        super().__init__(inner, runtime)
        self.folders: Any = getattr(inner, "_folders", None)
        self.known: list[UUID] = []

    def prepare(self, delivery: Delivery, /) -> bytes:
        record = bytes(self.inner.prepare(delivery))
        self.known.append(delivery.id)
        return record

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        async with aclosing(self.inner.collect()) as pages:
            async for page in pages:
                yield self.page(cast(Collected, page))

    def page(self, page: Collected) -> Collected:
        return replace(page, replies=tuple(map(self.reply, page.replies)))

    def reply(self, reply: Reply) -> Reply:
        return reply

    def added(self, page: Collected, outcome: Completed | DeliveryError) -> Collected:
        """The same page with something about the delivery that was seen last."""
        reply = Reply(delivery_id=self.known[-1], outcome=outcome, happened_at=datetime.now(UTC))
        return replace(page, replies=(*page.replies, reply))


class _Strict(_Reader):
    """Takes a return for a message that was rejected."""

    def reply(self, reply: Reply) -> Reply:
        return replace(reply, outcome=PermanentError("20")) if isinstance(reply.outcome, Returned) else reply


class _Optimist(_Reader):
    """Takes what it does not understand for a yes."""

    code: ClassVar[str]
    detail: ClassVar[str] = ""

    def reply(self, reply: Reply) -> Reply:
        end = reply.outcome
        is_meant = isinstance(end, OutcomeUnknownError) and end.code == self.code and self.detail in end.detail
        return replace(reply, outcome=GRANTED) if is_meant else reply


class _CodesOptimist(_Optimist):
    """Does not know the code."""

    code = "unknown_result_code"


class _BytesOptimist(_Optimist):
    """Cannot decode the line."""

    code = "unreadable_line"
    detail = "encoding"


class _Swapping(_Reader):
    """Gives two answers in the order in which they lie."""

    def page(self, page: Collected) -> Collected:
        replies = page.replies
        if len(replies) != 2 or any(isinstance(one.outcome, DeliveryError) for one in replies):
            return page
        first, second = replies
        swapped = (replace(first, outcome=second.outcome), replace(second, outcome=first.outcome))
        return replace(page, replies=swapped)


class _Despairing(_Reader):
    """Reads nothing of a file with a bad line."""

    def page(self, page: Collected) -> Collected:
        bad = {"bad_reply_field", "unreadable_line"}
        ends = [one.outcome for one in page.replies]
        if len(ends) > 1 and any(isinstance(end, OutcomeUnknownError) and end.code in bad for end in ends):
            return replace(page, replies=())
        return page


class _Adopting(_Reader):
    """Gives the answer for a stranger to whom it knows."""

    def reply(self, reply: Reply) -> Reply:
        return reply if reply.delivery_id in self.known else replace(reply, delivery_id=self.known[-1])


class _Pedant(_Reader):
    """Takes a line that comes twice for a duplicate record."""

    def page(self, page: Collected) -> Collected:
        seen: set[UUID] = set()
        replies = []
        for one in page.replies:
            replies.append(replace(one, outcome=DuplicateError("03")) if one.delivery_id in seen else one)
            seen.add(one.delivery_id)
        return replace(page, replies=tuple(replies))


class _Annoyed(_Reader):
    """Takes a file that comes twice for an error of everybody in it."""

    def page(self, page: Collected) -> Collected:
        is_meant = page.file is not None and page.file.state is FileState.REPEATED
        return self.added(page, PermanentError("again")) if is_meant else page


class _Trusting(_Reader):
    """Believes a file that should be set aside for one reason."""

    reason: ClassVar[str]

    def page(self, page: Collected) -> Collected:
        is_meant = page.file is not None and page.file.reason == self.reason
        return self.added(page, GRANTED) if is_meant else page


def _trusting(told: str) -> Callable[[Any, Runtime], _Trusting]:
    class Trusting(_Trusting):
        reason = told

    return Trusting


class _Eager(_Reader):
    """Makes up the control file that is missing."""

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        back = self.inner._spec.table.back
        names = {name for name, _size, _at in await self.folders.list(back.dir, 100)}
        for name in names:
            control = name.replace(".txt", back.control_file.suffix)
            if name.endswith(".txt") and control not in names:
                content = await self.folders.read(f"{back.dir}/{name}", back.max_bytes)
                told = control_content(back.control_file.content, name=name, content=content, rows=1)
                await self.folders.write(f"{back.dir}/{control}", told)
        async for page in super().collect():
            yield page


class _Hasty(_Reader):
    """Puts everything away before anybody has it."""

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        for page in [page async for page in super().collect()]:
            yield page


class _Keeping(_Reader):
    """Puts files back when there were several."""

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        names: list[str] = []
        async for page in super().collect():
            yield page
            file = cast(Collected, page).file
            names += [file.name] if file is not None else []
        for name in names if len(names) > 2 else ():
            for part in (name, name.replace(".txt", ".ok")):
                await self.folders.rename(f"/back/done/{part}", f"/back/{part}")


class _Shy(_Reader):
    """Does not read beside a stranger's file."""

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        names = [name for name, _size, _at in await self.folders.list("/back", 100)]
        if any(name.endswith(".doc") for name in names):
            raise TemporaryError("refused", "there is a foreign file")
        async for page in super().collect():
            yield page


class _Impatient(_Reader):
    """Has no use for old answers."""

    def reply(self, reply: Reply) -> Reply:
        is_late = self.runtime.now() - datetime.now(UTC) > timedelta(days=30)
        return replace(reply, outcome=OutcomeUnknownError("late")) if is_late else reply


class _Cheerful(_Reader):
    """Takes every receipt for a yes."""

    def page(self, page: Collected) -> Collected:
        if page.receipt is None:
            return page
        return replace(page, receipt=replace(page.receipt, verdict=ReceiptVerdict.ACCEPTED))


MUTANTS = (
    of_list("result-codes-as-declared", _Strict),
    of_list("undeclared-code-in-a-file", _CodesOptimist),
    of_list("answers-are-not-swapped", _Swapping),
    of_list("bad-line-costs-only-itself", _Despairing),
    of_list("line-of-a-stranger", _Adopting),
    of_list("line-that-comes-twice", _Pedant),
    of_list("file-that-comes-twice", _Annoyed),
    of_list("file-name-used-again", _trusting("name_reused")),
    of_list("result-waits-for-its-control-file", _Eager),
    of_list("truncated-result-file", _trusting("bytes")),
    of_list("result-file-with-wrong-count", _trusting("rows")),
    of_list("result-file-with-wrong-digest", _trusting("md5")),
    of_list("re-encoded-result-file", _BytesOptimist),
    of_list("uncommitted-file-stays", _Hasty),
    of_list("committed-file-leaves", _Keeping),
    of_list("foreign-files-do-not-stop-the-others", _Shy),
    of_list("late-result-still-counts", _Impatient),
    of_list("receipts-are-understood", _Cheerful),
)
