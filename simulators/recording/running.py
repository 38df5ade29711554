"""Recordings that run beside simulated departments: begun and ended on the control page."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from contracts.errors import OnedoorError
from contracts.site import Site
from simulators.recording.declared import of_site
from simulators.recording.proxy import RecordingProxy
from simulators.recording.sifting import Sieve
from simulators.recording.tape import EXCHANGES, Tape


class RecordingUnknown(OnedoorError):
    """No such recording runs."""


class AddressRefused(OnedoorError):
    """Nothing can be recorded there."""


@dataclass(slots=True, kw_only=True)
class RunningRecording:
    """One proxy with its file. ``system``: whose fields are declared, None: by all of the site."""

    name: str
    to: str
    system: str | None
    file: Path
    proxy: RecordingProxy
    ends: AsyncExitStack


@dataclass(slots=True)
class Recordings:
    """``folder``: where a folder for each begins; ``site``: declares whose a field is."""

    folder: Path
    site: Site
    running: dict[str, RunningRecording] = field(default_factory=dict)

    async def begin(self, to: str, system: str | None = None) -> RunningRecording:
        """Raises AddressRefused, OSError."""
        parts = urlsplit(to)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressRefused("give the address that calls go on to, such as https://department.test")
        systems = {one.key for of in self.site.departments for one in of.systems}
        if system is not None and system not in systems:
            raise AddressRefused(f"this site has no system {system}")
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        file = self.folder / name / EXCHANGES
        ends = AsyncExitStack()
        tape = Tape(file, "http")
        ends.callback(tape.close)
        sieve = Sieve(of_site(self.site, frozenset({system}) if system else None))
        proxy = await ends.enter_async_context(RecordingProxy(to, tape, sieve).serving())
        found = RunningRecording(name=name, to=to, system=system, file=file, proxy=proxy, ends=ends)
        self.running[name] = found
        return found

    async def end(self, name: str) -> RunningRecording:
        """Close the proxy; the file is whole then. Raises RecordingUnknown."""
        if name not in self.running:
            raise RecordingUnknown(f"no recording {name} runs")
        found = self.running.pop(name)
        await found.ends.aclose()
        return found

    async def close(self) -> None:
        """End all."""
        for name in list(self.running):
            await self.end(name)
