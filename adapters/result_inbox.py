"""The inbox of result files: what is complete is read, what is committed is put away, what cannot be trusted is set aside.

Nothing is overwritten or half-applied. A file leaves the inbox only after the hub has resumed the generator, which means that
its replies are committed; if the hub dies before that, the file is read again and the hub drops the replies it has.

    same name as in done, same content     removed: it was committed before
    same name as in done, other content    quarantine ``name_reused``: somebody must look
    does not agree with its control file   quarantine, with the reason beside it
    lines that cannot be read              the rest counts; their numbers stand in a file in quarantine
"""

from collections.abc import AsyncIterator, Sequence

from adapters.control_files import read_verified
from adapters.file_drop_table import control_name
from adapters.file_names import name_matcher
from adapters.file_records import Exchange, reply_of
from adapters.file_totals import FileFacts
from adapters.record_verdicts import FileRejected, Line
from adapters.remote_folders import RemoteFolders
from contracts.crash_points import crash_point
from contracts.delivery import Reply
from contracts.errors import TemporaryError
from contracts.plugin import Runtime

MAX_CONTROL_BYTES = 65_536
TOO_LARGE = "the file, or its control file, exceeds the budget"


class ResultInbox:
    """One channel's ``back`` folder."""

    def __init__(self, spec: Exchange, folders: RemoteFolders, runtime: Runtime) -> None:
        self._spec = spec
        self._back = spec.table.back
        self._folders = folders
        self._runtime = runtime
        self._matcher = name_matcher(self._back.pattern)
        self._seen: dict[str, tuple[int, float, float]] = {}
        self._early: frozenset[str] = frozenset()

    async def collect(self) -> AsyncIterator[Sequence[Reply]]:
        """One sequence a file, by name. Raises DeliveryError when the department cannot be reached.

        A file that the server will not hand out or let go does not hold up the others; its error comes at the end.
        """
        listed = {name: (size, at) for name, size, at in await self._folders.list(self._back.dir, self._back.max_files)}
        trouble: TemporaryError | None = None
        for name in await self._ready(listed):
            try:
                lines = await self._take(name, listed[name][0])
            except TemporaryError as error:
                trouble = _only_this_file(error)
                continue
            if lines is None:
                continue
            crash_point("collect.read")
            now = self._runtime.now()
            replies = [(line, reply_of(self._spec, line, now)) for line in lines]
            yield [reply for _, reply in replies if reply is not None]
            crash_point("archive.before")
            try:
                await self._archive(name, [line for line, reply in replies if line.bad or reply is None])
            except TemporaryError as error:
                trouble = _only_this_file(error)
            crash_point("archive.after")
        if trouble is not None:
            raise trouble

    async def _ready(self, listed: dict[str, tuple[int, float]]) -> Sequence[str]:
        names = sorted(name for name in listed if self._matcher.fullmatch(name))
        if self._back.control_file is None:
            standing = self._stable(listed, names)
            # A trailer proves more than standing still does; until it is there and true, the file may still grow.
            self._early = frozenset(names).difference(standing) if self._spec.ends_itself else frozenset()
            return [name for name in names if name in standing or name in self._early]
        await self._finish_archiving(listed, names)
        return [name for name in names if await self._is_marked(name, listed)]

    async def _is_marked(self, name: str, listed: dict[str, tuple[int, float]]) -> bool:
        control = self._control(name)
        # A listing of a large folder may have stopped between a file and its control file.
        return control in listed or (
            len(listed) >= self._back.max_files and await self._folders.exists(f"{self._back.dir}/{control}")
        )

    def _stable(self, listed: dict[str, tuple[int, float]], names: Sequence[str]) -> Sequence[str]:
        """Measured with our own clock between two looks: the server's times may lie in the future or in 1970."""
        now = self._runtime.monotonic()
        before, self._seen = self._seen, {}
        for name in names:
            size, at = listed[name]
            known = before.get(name)
            self._seen[name] = known if known is not None and known[:2] == (size, at) else (size, at, now)
        return [name for name in names if now - self._seen[name][2] >= self._back.stable_seconds]

    async def _take(self, name: str, size: int) -> Sequence[Line] | None:
        """Every line with its verdict; None where the file is none of ours to apply."""
        control = self._back.control_file
        if size > self._back.max_bytes:
            await self._set_aside(name, "too_large", TOO_LARGE)
            return None
        try:
            content = await self._folders.read(f"{self._back.dir}/{name}", self._back.max_bytes)
            marker = f"{self._back.dir}/{self._control(name)}"
            proof = await self._folders.read(marker, MAX_CONTROL_BYTES) if control else b""
        except TemporaryError as error:
            if error.code == "no_such_file":
                return None  # somebody else has taken it since the listing
            if error.code != "too_large":
                raise
            await self._set_aside(name, "too_large", TOO_LARGE)
            return None
        early = name in self._early
        if not early and await self._was_done(name, content):
            return None
        facts = FileFacts(name=name, secret=self._runtime.secret)
        items = control.content if control else ()
        try:
            lines = await self._runtime.in_thread(
                read_verified, self._spec.incoming, content, name=name, items=items, control=proof, facts=facts
            )
        except FileRejected as error:
            if not early:
                await self._set_aside(name, error.code, error.detail)
            return None
        return None if early and await self._was_done(name, content) else lines

    async def _was_done(self, name: str, content: bytes) -> bool:
        done = f"{self._back.done_dir}/{name}"
        if not await self._folders.exists(done):
            return False
        if await self._same(done, content):
            await self._remove(name)
        else:
            await self._set_aside(name, "name_reused", "a file of this name with other content was processed before")
        return True

    async def _archive(self, name: str, bad: Sequence[Line]) -> None:
        if bad:
            await self._explain(
                name, "unreadable_lines", "\n".join(f"line {line.number}: {line.bad or 'reference'}" for line in bad)
            )
        for part in self._parts(name):
            source, target = f"{self._back.dir}/{part}", f"{self._back.done_dir}/{part}"
            if not await self._folders.exists(source):
                continue
            try:
                await self._folders.rename(source, target)
                crash_point("archive.moved")
            except TemporaryError as error:
                if error.code != "exists":
                    raise
                content = await self._folders.read(source, self._back.max_bytes)
                if await self._same(target, content):
                    await self._folders.remove(source)
                else:
                    await self._set_aside(part, "name_reused", "the name is taken in the folder of done files")

    async def _finish_archiving(self, listed: dict[str, tuple[int, float]], names: Sequence[str]) -> None:
        """A control file alone may be what a crash left behind between the two renames of an archived file."""
        extension = self._back.pattern.rpartition(".")[2] if "." in self._back.pattern else ""
        suffix = self._control("")
        for control in listed:
            name = f"{control.removesuffix(suffix)}.{extension}".rstrip(".")
            orphan = control.endswith(suffix) and name not in names and self._matcher.fullmatch(name)
            if orphan and await self._folders.exists(f"{self._back.done_dir}/{name}"):
                await self._archive(name, [])

    async def _set_aside(self, name: str, code: str, detail: str) -> None:
        """Move the file and its control file to quarantine, and say why beside them; what lies there stays."""
        tag = f"{self._runtime.now():%Y%m%dT%H%M%S%f}"
        for part in self._parts(name):
            source, target = f"{self._back.dir}/{part}", f"{self._back.quarantine_dir}/{part}"
            if await self._folders.exists(source):
                taken = await self._folders.exists(target)
                await self._folders.rename(source, f"{target}.{tag}" if taken else target)
        await self._explain(f"{name}.{tag}", code, detail)

    async def _explain(self, name: str, code: str, detail: str) -> None:
        """A note for the people at both ends: codes and line numbers, nothing of the content."""
        await self._folders.write(f"{self._back.quarantine_dir}/{name}.reason.txt", f"{code}\n{detail}\n".encode())

    async def _same(self, path: str, content: bytes) -> bool:
        try:
            return await self._folders.read(path, len(content)) == content
        except TemporaryError as error:
            if error.code != "too_large":
                raise
            return False

    async def _remove(self, name: str) -> None:
        for part in self._parts(name):
            await self._folders.remove(f"{self._back.dir}/{part}")

    def _parts(self, name: str) -> Sequence[str]:
        """The file, then its control file: the other order would leave a file that nobody ever takes."""
        return [name, self._control(name)] if self._back.control_file and self._matcher.fullmatch(name) else [name]

    def _control(self, name: str) -> str:
        return control_name(name, self._back.control_file) if self._back.control_file else ""


def _only_this_file(error: TemporaryError) -> TemporaryError:
    """An answer of the server about one file; raises where the connection itself has failed."""
    if error.code not in {"permission_denied", "refused", "no_such_file", "exists"}:
        raise error
    return error
