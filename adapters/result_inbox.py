"""The inbox of result files: what is complete is read, what is committed is put away, what cannot be trusted is set aside.

Nothing is overwritten or half-applied. A file leaves the inbox only after the hub has resumed the generator, which means that
its replies and the note of the file are committed; if the hub dies before that, the file is read again and the hub drops what it has.
The folder is listed a page at a time: the first file is read before the listing of a hundred thousand has ended.

    same name as in done, same content     removed: it was committed before
    same name as in done, other content    quarantine ``name_reused``: somebody must look
    does not agree with its control file   quarantine, with the reason beside it
    lines that cannot be read              the rest counts; their numbers stand in a file in quarantine
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from adapters.control_files import Item, read_verified
from adapters.file_drop_table import control_name
from adapters.file_names import name_matcher, numbered
from adapters.file_receipts import ReceiptInbox
from adapters.file_records import Exchange, reply_of
from adapters.file_totals import FileFacts
from adapters.put_away import PutAway
from adapters.record_verdicts import FileRejected, Line
from adapters.remote_folders import RemoteFolders
from adapters.text_encodings import is_utf8_instead
from contracts.crash_points import crash_point
from contracts.delivery import Reply
from contracts.errors import PermanentError, TemporaryError
from contracts.exchange import Collected, ExchangedFile, FileState
from contracts.plugin import Runtime
from contracts.records import record

LINES_OF_TEXT = frozenset({"csv", "fixed", "ini"})
"""Formats whose bytes say nothing of their encoding."""

MAX_CONTROL_BYTES = 65_536
TOO_LARGE = "the file, or its control file, exceeds the budget"
PAGE = 500
"""Entries of the folder that are in hand at once."""


@record
class Found:
    """A file as it was read: its verdict, and its lines where they may be used."""

    digest: str
    size: int
    state: FileState
    code: str = ""
    detail: str = ""
    lines: Sequence[Line] = ()


class ResultInbox:
    """One channel's ``back`` folder, and the folder of receipts where it has one."""

    def __init__(self, spec: Exchange, folders: RemoteFolders, runtime: Runtime) -> None:
        self._spec = spec
        self._back = spec.table.back
        self._folders = folders
        self._runtime = runtime
        self._matcher = name_matcher(self._back.pattern)
        self._put_away = PutAway(folders, self._back, runtime)
        self._receipts = ReceiptInbox(spec.table, folders, runtime) if spec.table.receipt else None
        self._before: dict[str, tuple[int, float, float]] = {}
        self._seen: dict[str, tuple[int, float, float]] = {}

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One sequence a file, as the server lists them. Raises DeliveryError when the department cannot be reached.

        A file that the server will not hand out or let go does not hold up the others; its error comes at the end.
        """
        if self._receipts is not None:
            async with aclosing(self._receipts.ready()) as receipts:
                async for receipt in receipts:
                    yield Collected(receipt=receipt)
                    await self._receipts.done(receipt)
        trouble: TemporaryError | None = None
        self._before, self._seen = self._seen, {}
        left = self._back.max_files
        async with aclosing(self._folders.pages(self._back.dir, PAGE)) as pages:
            async for page in pages:
                listed = {name: (size, at) for name, size, at in page}
                for name, early in await self._ready(listed):
                    try:
                        found = await self._read(name, listed[name][0], early=early)
                    except TemporaryError as error:
                        trouble = only_this_file(error)
                        continue
                    if found is None:
                        continue
                    crash_point("collect.read")
                    now = self._runtime.now()
                    replies = [(line, reply_of(self._spec, line, now)) for line in found.lines]
                    bad = [line for line, reply in replies if line.bad or reply is None]
                    unread = sum(reply is None for _, reply in replies)
                    file = self._file(name, found, unread)
                    try:
                        yield Collected(replies=tuple(reply for _, reply in replies if reply is not None), file=file)
                    except PermanentError as refused:
                        found, bad = _set_aside(found, refused), []
                    crash_point("archive.before")
                    try:
                        await self._finish(name, found, bad)
                    except TemporaryError as error:
                        trouble = only_this_file(error)
                    crash_point("archive.after")
                    left -= 1
                if left <= 0:
                    break
        if trouble is not None:
            raise trouble

    async def _finish(self, name: str, found: Found, bad: Sequence[Line]) -> None:
        if found.state is FileState.QUARANTINED:
            await self._put_away.set_aside(self._parts(name), found.code, found.detail)
        elif found.state is FileState.REPEATED:
            await self._put_away.remove(self._parts(name))
        else:
            await self._put_away.archive(self._parts(name), bad)

    def _file(self, name: str, found: Found, unread: int) -> ExchangedFile:
        numbering = self._back.sequence
        day, number = numbered(self._back.pattern, name) or ("", 0)
        return ExchangedFile(
            name=name,
            digest=found.digest,
            size=found.size,
            state=found.state,
            reason=found.code,
            sequence=number if numbering else None,
            scope=day if numbering == "daily" else "",
            lines=len(found.lines),
            unread=unread,
        )

    async def _ready(self, listed: dict[str, tuple[int, float]]) -> Sequence[tuple[str, bool]]:
        """Files of this page that may be read, and whether only their own trailer can say that they are whole."""
        names = sorted(name for name in listed if self._matcher.fullmatch(name))
        if self._back.control_file is None:
            standing = self._stable(listed, names)
            # A trailer proves more than standing still does; until it is there and true, the file may still grow.
            return [(name, name not in standing) for name in names if name in standing or self._spec.ends_itself]
        await self._finish_archiving(listed)
        return [(name, False) for name in names if await self._is_marked(name, listed)]

    async def _is_marked(self, name: str, listed: dict[str, tuple[int, float]]) -> bool:
        control = self._control(name)
        # A page may end between a file and its control file.
        return control in listed or await self._folders.exists(f"{self._back.dir}/{control}")

    def _stable(self, listed: dict[str, tuple[int, float]], names: Sequence[str]) -> frozenset[str]:
        """Measured with our own clock between two looks: the server's times may lie in the future or in 1970.

        Of a folder with more files than one look takes, the first ones are watched; the others have their turn after them.
        """
        now = self._runtime.monotonic()
        for name in names:
            if len(self._seen) >= self._back.max_files:
                break
            size, at = listed[name]
            known = self._before.get(name)
            self._seen[name] = known if known is not None and known[:2] == (size, at) else (size, at, now)
        return frozenset(
            name for name in names if name in self._seen and now - self._seen[name][2] >= self._back.stable_seconds
        )

    async def _read(self, name: str, size: int, *, early: bool) -> Found | None:
        """Every line with its verdict; None where the file is not there any more, or not whole yet."""
        try:
            read = await self._bytes(name, size)
        except FileRejected as error:
            return Found(
                digest=f"size:{size}", size=size, state=FileState.QUARANTINED, code=error.code, detail=error.detail
            )
        if read is None:
            return None  # somebody else has taken it since the listing
        content, proof = read
        done = None if early else await self._was_done(name, content)
        if done is not None:
            return done
        try:
            lines = await self._runtime.in_thread(self._verified, name, content, proof)
        except FileRejected as error:
            return None if early else _found(content, FileState.QUARANTINED, error.code, error.detail)
        done = await self._was_done(name, content) if early else None
        return done or _found(content, FileState.TAKEN, lines=lines)

    async def _bytes(self, name: str, size: int) -> tuple[bytes, bytes] | None:
        """The file and its control file; None where they are gone. Raises FileRejected (``too_large``), TemporaryError."""
        back = self._back
        if size > back.max_bytes:
            raise FileRejected("too_large", TOO_LARGE)
        try:
            content = await self._folders.read(f"{back.dir}/{name}", back.max_bytes)
            marker = f"{back.dir}/{self._control(name)}"
            return content, await self._folders.read(marker, MAX_CONTROL_BYTES) if back.control_file else b""
        except TemporaryError as error:
            if error.code == "no_such_file":
                return None
            if error.code == "too_large":
                raise FileRejected("too_large", TOO_LARGE) from error
            raise

    def _verified(self, name: str, content: bytes, proof: bytes) -> Sequence[Line]:
        control, numbers = self._back.control_file, dict[Item, int]()
        told = numbered(self._back.pattern, name)
        if told is not None and self._back.sequence is not None:
            numbers["sequence" if self._back.sequence == "lifetime" else "day_sequence"] = told[1]
        lines = read_verified(
            self._spec.incoming,
            content,
            name=name,
            items=control.content if control else (),
            control=proof,
            facts=FileFacts(name=name, secret=self._runtime.secret),
            numbers=numbers,
            columns=(control.sum_of, control.hash_of) if control else (None, None),
        )
        encoding = self._spec.table.encoding
        if self._spec.table.format in LINES_OF_TEXT and is_utf8_instead(content, encoding):
            raise FileRejected("encoding", f"the file is UTF-8, where {encoding} is declared")
        return lines

    async def _was_done(self, name: str, content: bytes) -> Found | None:
        done = f"{self._back.done_dir}/{name}"
        if not await self._folders.exists(done):
            return None
        if await self._put_away.same(done, content):
            return _found(content, FileState.REPEATED)
        detail = "a file of this name with other content was processed before"
        return _found(content, FileState.QUARANTINED, "name_reused", detail)

    async def _finish_archiving(self, listed: dict[str, tuple[int, float]]) -> None:
        """A control file alone may be what a crash left behind between the two renames of an archived file."""
        back = self._back
        extension = back.pattern.rpartition(".")[2] if "." in back.pattern else ""
        suffix = self._control("")
        for control in listed:
            name = f"{control.removesuffix(suffix)}.{extension}".rstrip(".")
            if not control.endswith(suffix) or name in listed or not self._matcher.fullmatch(name):
                continue
            done, waits = f"{back.done_dir}/{name}", f"{back.dir}/{name}"
            if await self._folders.exists(done) and not await self._folders.exists(waits):
                await self._put_away.archive([control], [])

    def _parts(self, name: str) -> Sequence[str]:
        """The file, then its control file: the other order would leave a file that nobody ever takes."""
        return [name, self._control(name)] if self._back.control_file else [name]

    def _control(self, name: str) -> str:
        return control_name(name, self._back.control_file) if self._back.control_file else ""


def _found(content: bytes, state: FileState, code: str = "", detail: str = "", lines: Sequence[Line] = ()) -> Found:
    digest = hashlib.sha256(content).hexdigest()
    return Found(digest=digest, size=len(content), state=state, code=code, detail=detail, lines=lines)


def _set_aside(found: Found, refused: PermanentError) -> Found:
    """The same file, of which the hub says that none of it counts."""
    return Found(
        digest=found.digest, size=found.size, state=FileState.QUARANTINED, code=refused.code, detail=refused.detail
    )


def only_this_file(error: TemporaryError) -> TemporaryError:
    """An answer of the server about one file; raises where the connection itself has failed."""
    if error.code not in {"permission_denied", "refused", "no_such_file", "exists"}:
        raise error
    return error
