"""A disk that is full, fails to sync, is read-only, or belongs to somebody else."""

import asyncio
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from simulators.hub_process import serve_command
from tests.fast_city import short_folder
from tests.system.served import Served, kept, served


def mounted(unshare: Path, *mounts: str) -> tuple[str, ...]:
    """Put before a command: it runs with these mounts, which nobody else sees."""
    script = " && ".join((*mounts, 'exec "$0" "$@"'))
    return (str(unshare), "--mount", "sh", "-c", script)


def fill(folder: Path, keep: int = 0) -> Path:
    """Take all the space that is left, but for so many bytes."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > keep:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


# --- full (A07) -------------------------------------------------------------------------------------------------------


async def test_a07_a_full_disk_is_answered_with_503_and_intake_goes_on_by_itself_once_there_is_space(
    unshare: Path,
) -> None:
    with short_folder() as folder:
        data = folder / "data"
        before = mounted(unshare, f"mount -t tmpfs -o size=20m,mode=0700 tmpfs {data}")
        async with served(folder, before=before) as hub:
            for _ in range(5):
                assert await hub.hand_in() == 202
            filler = fill(hub.data)
            assert await refused(hub), "the disk is full, and the hub takes cases"
            assert (await hub.get("/readyz"))[0] == 503
            assert (await hub.get("/healthz"))[0] == 200
            read = hub.acknowledged[:5]
            for case_no in read:
                assert (await hub.get(f"/v1/cases/{case_no}"))[0] == 200
            await asyncio.to_thread(filler.unlink)
            assert await hub.taken_within(15), "there is space again, and the hub takes no case"
            assert await readers_noted(hub, read), "who read while the disk was full stands nowhere"
            assert hub.hub.lives == 1
            await check_kept(hub)


async def readers_noted(hub: Served, cases: Sequence[str]) -> bool:
    """Whether each case says who has read it, before long (H06)."""
    for _ in range(100):
        if all([await hub.readers(case_no) for case_no in cases]):
            return await hub.metric("onedoor_readings_kept") == 0
        await asyncio.sleep(0.1)
    return False


async def refused(hub: Served) -> bool:
    """Whether the hub says 503, and nothing else, before long. What still fits into pages it has, it may take."""
    statuses = []
    for _ in range(200):
        statuses.append(await hub.hand_in())
        if statuses[-1] == 503:
            break
    assert set(statuses) <= {202, 503}
    return statuses[-1] == 503


async def check_kept(hub: Served) -> None:
    """The database is whole, has all that was acknowledged, and no part of a case without its case."""
    verdict, cases, orphans = await asyncio.to_thread(kept, hub.data / "onedoor.db")
    assert verdict == "ok"
    assert set(hub.acknowledged) <= cases
    assert orphans == 0


async def test_a07_a_full_folder_of_stored_files_refuses_uploads_and_nothing_else(unshare: Path) -> None:
    with short_folder() as folder:
        blobs = folder / "data/blobs"
        before = mounted(unshare, f"mkdir -p {blobs}", f"mount -t tmpfs -o size=2m,mode=0700 tmpfs {blobs}")
        async with served(folder, before=before) as hub:
            scan = b"%PDF-1.7 " + os.urandom(50_000)
            assert (await hub.post("/v1/materials", scan, "application/pdf"))[0] in (200, 201)
            filler = fill(hub.data / "blobs")
            status, problem = await hub.post("/v1/materials", scan + b"2", "application/pdf")
            assert (status, problem["type"]) == (503, "urn:onedoor:problem:store-unavailable")
            assert not list((hub.data / "blobs").rglob("*.part"))
            assert await hub.hand_in() == 202
            await asyncio.to_thread(filler.unlink)
            assert (await hub.post("/v1/materials", scan + b"2", "application/pdf"))[0] in (200, 201)


async def test_g09_a_full_disk_of_the_log_costs_log_lines_and_no_case(unshare: Path) -> None:
    with short_folder() as folder:
        logs = folder / "logs"
        logs.mkdir()
        mount = mounted(unshare, f"mount -t tmpfs -o size=1m tmpfs {logs}")
        to_log = ("sh", "-c", f'exec "$0" "$@" --log-level debug 2>>{logs}/hub.log')
        async with served(folder, before=(*mount, *to_log)) as hub:
            fill(Path(f"/proc/{hub.hub.pid}/root{logs}"))
            for _ in range(40):
                assert await hub.hand_in() == 202
                await hub.get("/v1/nothing")
            assert (await hub.get("/readyz"))[0] == 200
            await check_kept(hub)
            assert await hub.metric("onedoor_log_lines_dropped_total") > 0


async def test_g09_a_log_that_nobody_reads_keeps_no_request_waiting(unshare: Path) -> None:
    with short_folder() as folder:
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # opened, never read
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        try:
            to_pipe = ("sh", "-c", f'exec "$0" "$@" --log-level debug 2>{pipe}')
            async with served(folder, before=to_pipe) as hub:
                for _ in range(60):
                    assert await hub.hand_in() == 202
                    await hub.get("/v1/nothing" + "x" * 100)
                assert (await hub.get("/readyz"))[0] == 200
        finally:
            os.close(reader)


# --- a sync that fails (A08) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
async def test_a08_after_a_sync_or_write_that_failed_nothing_is_acknowledged_until_a_restart(
    strace: Path, call: str
) -> None:
    with short_folder() as folder:
        async with served(folder) as hub:
            for _ in range(3):
                assert await hub.hand_in() == 202
            with attached(strace, hub.hub.pid, call):
                answers = await asyncio.gather(*(hub.hand_in() for _ in range(5)))
                assert set(answers) == {503}
            # The disk is well again; what the kernel did with those pages nobody knows.
            assert await hub.hand_in() == 503
            assert (await hub.get("/readyz"))[0] == 503
            assert (await hub.get(f"/v1/cases/{hub.acknowledged[0]}"))[0] == 200
            assert "onedoor_store_failed 1.0" in (await hub.get("/metrics"))[1]
            await hub.hub.kill()
            await hub.hub.start()
            assert await hub.hand_in() == 202
            await check_kept(hub)


class attached:  # noqa: N801 - reads as a function in its with statement
    """strace makes every such call of a process fail with EIO, while the block runs."""

    def __init__(self, strace: Path, pid: int, call: str) -> None:
        self._command: tuple[str, ...] = (str(strace), "-f", "-qq", "-p", str(pid), "-e", f"trace={call}")
        self._command += ("-e", f"inject={call}:error=EIO", "-o", "/dev/null")
        self._pid = pid

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command)
        while f"TracerPid:\t{self._process.pid}" not in Path(f"/proc/{self._pid}/status").read_text("ascii"):
            assert self._process.poll() is None, "strace could not attach"
            time.sleep(0.02)
        while any(
            "TracerPid:\t0" in thread.joinpath("status").read_text("ascii")
            for thread in Path(f"/proc/{self._pid}/task").iterdir()
        ):
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


# --- read-only, somebody else's (A12) -------------------------------------------------------------------------------

NOBODY = 65_534


def ended(command: Sequence[str]) -> tuple[int, str]:
    """Exit code and the last line said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


async def a_place(folder: Path) -> tuple[str, ...]:
    """A hub has lived here; how it is started again."""
    async with served(folder) as hub:
        assert await hub.hand_in() == 202
    return tuple(serve_command(folder / "onedoor.toml"))


async def test_a12_a_read_only_database_refuses_the_start_with_what_to_do(unshare: Path) -> None:
    with short_folder() as folder:
        command = await a_place(folder)
        data = folder / "data"
        before = mounted(unshare, f"mount --bind {data} {data}", f"mount -o remount,bind,ro {data}")
        code, line = await asyncio.to_thread(ended, (*before, *command))
        assert code == 2
        assert "cannot be opened" in line
        assert "belong to the user that runs the hub" in line


async def test_a12_a_database_of_another_owner_refuses_the_start_with_what_to_do(setpriv: Path) -> None:
    with short_folder() as folder:
        command = await a_place(folder)
        # Root without the right to pass over owners: as any user, and still able to read the programs wherever they are installed.
        as_a_user = (str(setpriv), "--bounding-set=-dac_override,-dac_read_search")
        for name in ("onedoor.db", "onedoor.lock"):
            os.chown(folder / "data" / name, NOBODY, NOBODY)
            code, line = await asyncio.to_thread(ended, (*as_a_user, *command))
            assert code == 2
            assert "cannot be opened" in line
            assert "belong to the user that runs the hub" in line
            os.chown(folder / "data" / name, os.getuid(), os.getgid())
