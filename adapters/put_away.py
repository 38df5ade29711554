"""Where a file goes that has been looked at: to the done folder, to quarantine with the reason beside it, or away."""

from collections.abc import Sequence
from typing import Protocol

from adapters.record_verdicts import Line
from adapters.remote_folders import RemoteFolders
from contracts.crash_points import crash_point
from contracts.errors import TemporaryError
from contracts.plugin import Runtime


class Places(Protocol):
    """The folders of an inbox."""

    dir: str
    done_dir: str
    quarantine_dir: str


class PutAway:
    """The ways out of one inbox. ``parts``: names of the files that belong together, in the order in which they go."""

    def __init__(self, folders: RemoteFolders, places: Places, runtime: Runtime, max_bytes: int = 50_000_000) -> None:
        self._folders = folders
        self._places = places
        self._runtime = runtime
        self._max_bytes = max_bytes

    async def archive(self, parts: Sequence[str], bad: Sequence[Line]) -> None:
        """Move to the done folder; what lies there under the name and is another file sends this one to quarantine."""
        if bad:
            lines = "\n".join(f"line {line.number}: {line.bad or 'reference'}" for line in bad)
            await self._explain(parts[0], "unreadable_lines", lines)
        for part in parts:
            source, target = f"{self._places.dir}/{part}", f"{self._places.done_dir}/{part}"
            if not await self._folders.exists(source):
                continue
            try:
                await self._folders.rename(source, target)
                crash_point("archive.moved")
            except TemporaryError as error:
                if error.code != "exists":
                    raise
                content = await self._folders.read(source, self._max_bytes)
                if await self.same(target, content):
                    await self._folders.remove(source)
                else:
                    await self.set_aside([part], "name_reused", "the name is taken in the folder of done files")

    async def set_aside(self, parts: Sequence[str], code: str, detail: str) -> None:
        """Move to quarantine, and say why beside it; what lies there stays."""
        tag = f"{self._runtime.now():%Y%m%dT%H%M%S%f}"
        for part in parts:
            source, target = f"{self._places.dir}/{part}", f"{self._places.quarantine_dir}/{part}"
            if await self._folders.exists(source):
                taken = await self._folders.exists(target)
                await self._folders.rename(source, f"{target}.{tag}" if taken else target)
        await self._explain(f"{parts[0]}.{tag}", code, detail)

    async def remove(self, parts: Sequence[str]) -> None:
        """Remove what was committed before."""
        for part in parts:
            await self._folders.remove(f"{self._places.dir}/{part}")

    async def same(self, path: str, content: bytes) -> bool:
        """Whether a file holds exactly that."""
        try:
            return await self._folders.read(path, len(content)) == content
        except TemporaryError as error:
            if error.code != "too_large":
                raise
            return False

    async def _explain(self, name: str, code: str, detail: str) -> None:
        """A note for the people at both ends: codes and line numbers, nothing of the content."""
        await self._folders.write(f"{self._places.quarantine_dir}/{name}.reason.txt", f"{code}\n{detail}\n".encode())
