"""The file exchange against OpenSSH: cut connections, stopped servers, full and read-only disks, missing extensions, two at one folder."""

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import JsonValue

from adapters.file_drop import FileDropGateway, make
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.delivery import AwaitingReply, Batch, Reply
from contracts.errors import OutcomeUnknownError, TemporaryError
from tests.departments.cutting_proxy import cutting_proxy
from tests.departments.openssh import SFTP_SERVER, OpenSsh, openssh
from tests.file_world import TABLE, Place, batch_of, collected, delivery_of, line, names, put_result, system_of

PATIENT = {"connect_seconds": 10, "channel_seconds": 10, "total_seconds": 20}


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with openssh(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("out", "back/done", "back/quarantine"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@asynccontextmanager
async def at(server: OpenSsh, tree: Path, port: int = 0, **timeouts: float) -> AsyncIterator[FileDropGateway]:
    """The usual exchange below ``tree``."""
    back = {"dir": f"{tree}/back", "done_dir": f"{tree}/back/done", "quarantine_dir": f"{tree}/back/quarantine"}
    table: dict[str, Any] = {
        **TABLE,
        "out": {**TABLE["out"], "dir": f"{tree}/out"},
        "back": {**TABLE["back"], **back},
        "timeouts": {**PATIENT, **timeouts},
        "auth": {"private_key": "key"},
    }
    system = system_of(table)
    place = Place(secrets={"key": server.private_key})
    values: dict[str, JsonValue] = {
        "host": "127.0.0.1",
        "port": port or server.port,
        "username": server.username,
        "host_key": server.host_key,
    }
    async with make(system, system.channels[0]).open(values, place) as gateway:
        assert isinstance(gateway, FileDropGateway)
        yield gateway


def large() -> Batch:
    return batch_of(*(delivery_of(XM="样例" * 400, TXRQ="2026-01-05") for _ in range(120)))


async def test_a_batch_goes_out_whole_and_its_results_come_back(sshd: OpenSsh, tree: Path) -> None:
    batch = batch_of(delivery_of(), delivery_of())
    async with at(sshd, tree) as gateway:
        await gateway.check()
        found = await gateway.deliver_batch(batch)
        assert found == {one.id: AwaitingReply() for one in batch.deliveries}
        assert await gateway.deliver_batch(batch) == found, "the same again changes nothing"
        put_result(tree, [line(one.id) for one in batch.deliveries])
        (replies,) = await collected(gateway)
    assert [reply.delivery_id for reply in replies] == [one.id for one in batch.deliveries]
    assert names(tree / "out") == ["WJ_20261124_001.ok", "WJ_20261124_001.txt"]
    assert names(tree / "back") == []


async def again(gateway: FileDropGateway, batch: Batch) -> None:
    """As the hub does: a connection that broke unnoticed costs another try."""
    try:
        await gateway.deliver_batch(batch)
    except TemporaryError:
        await gateway.deliver_batch(batch)


async def test_a_cut_at_any_place_shows_no_partial_file_and_a_resend_makes_it_whole(sshd: OpenSsh, tree: Path) -> None:
    batch = large()
    with cutting_proxy(sshd.port) as proxy:
        async with at(sshd, tree, proxy.port) as gateway:
            content = gateway.seal(batch)
            await gateway.deliver_batch(batch)
            whole = proxy.up
        final = tree / "out/WJ_20261124_001.txt"
        assert final.read_bytes() == content
        ended = set()
        shares = [0.0, 0.01, 0.3, 0.5, 0.9, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998, 1.0]
        for share in shares:
            for path in (tree / "out").iterdir():
                path.unlink()
            proxy.cut_after = max(int(whole * share), 1)
            async with at(sshd, tree, proxy.port, channel_seconds=5) as gateway:
                try:
                    await gateway.deliver_batch(batch)
                    ended.add("whole")
                except (TemporaryError, OutcomeUnknownError) as error:
                    ended.add(type(error).__name__)
                    if isinstance(error, TemporaryError):
                        assert not final.exists(), "what is temporary is not visible"
                assert not final.exists() or final.read_bytes() == content
                await again(gateway, batch)
            assert final.read_bytes() == content
            assert names(tree / "out") == ["WJ_20261124_001.ok", "WJ_20261124_001.txt"]
    assert {"TemporaryError", "OutcomeUnknownError"} <= ended, "cuts before and after the rename were among them"


def exists_in_time(files: SftpFiles, path: str) -> bool:
    """Its deadlines are short for the sake of the test: on a busy machine a new connection may need another try."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return files.exists(path)
        except TemporaryError:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("what", ["list", "read", "write", "rename"])
def test_a_stopped_server_gives_every_call_and_every_thread_back_in_time(sshd: OpenSsh, tree: Path, what: str) -> None:
    (tree / "out/there").write_bytes(b"x" * 100)
    before = threading.active_count()
    address = SftpAddress(host="127.0.0.1", port=sshd.port, username=sshd.username, host_key=sshd.host_key)
    timeouts = SftpTimeouts(connect_seconds=2, channel_seconds=1, total_seconds=3)
    files = SftpFiles(address, lambda: SftpLogin(private_key=sshd.private_key), timeouts)
    files.list(str(tree), 1)
    calls: dict[str, Any] = {
        "list": lambda: files.list(str(tree), 10),
        "read": lambda: files.read(f"{tree}/out/there", 1000),
        "write": lambda: files.write(f"{tree}/out/new", b"y" * 200_000),
        "rename": lambda: files.rename(f"{tree}/out/there", f"{tree}/out/elsewhere"),
    }
    sshd.signal_sessions(signal.SIGSTOP)
    try:
        with pytest.raises((TemporaryError, OutcomeUnknownError), match=r"timeout|connection_lost"):
            calls[what]()
    finally:
        sshd.signal_sessions(signal.SIGCONT)
    assert exists_in_time(files, f"{tree}/out/there") or what == "rename", "a later call opens a new connection"
    files.close()
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)  # a transport's own thread ends soon after it
    assert threading.active_count() <= before


async def test_a_full_disk_leaves_no_partial_file_under_the_final_name(tmp_path: Path, tree: Path) -> None:
    """Writes beyond the size limit of the server's process fail as on a full disk."""
    starved = tmp_path / "starved"
    starved.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 16\nexec {SFTP_SERVER}\n")
    starved.chmod(0o755)
    with openssh(tmp_path / "sshd", str(starved)) as server:
        async with at(server, tree) as gateway:
            for _ in range(2):
                with pytest.raises(TemporaryError, match=r"refused|short_write"):
                    await gateway.deliver_batch(large())
            assert [path.name for path in (tree / "out").iterdir() if not path.name.endswith(".tmp")] == []
            small = batch_of(delivery_of())
            await gateway.deliver_batch(small)
    assert names(tree / "out")[:2] == ["WJ_20261124_001.ok", "WJ_20261124_001.txt"]


async def test_a_read_only_server_is_temporary_and_results_are_still_told(tmp_path: Path, tree: Path) -> None:
    put_result(tree, [line(uuid4())])
    with openssh(tmp_path / "sshd", "internal-sftp -R") as server:
        async with at(server, tree) as gateway:
            with pytest.raises(TemporaryError, match="permission_denied"):
                await gateway.deliver_batch(batch_of(delivery_of()))
            files = gateway.collect()
            assert len(await anext(files)) == 1
            with pytest.raises(TemporaryError, match="permission_denied"):
                await anext(files)
    assert names(tree / "out") == []
    assert len(names(tree / "back")) == 2, "what cannot be put away stays, and is told again"


async def test_a_server_without_fsync_or_posix_rename_still_takes_files_whole(tmp_path: Path, tree: Path) -> None:
    with openssh(tmp_path / "sshd", "internal-sftp -P fsync,posix-rename,statvfs") as server:
        async with at(server, tree) as gateway:
            batch = batch_of(delivery_of())
            await gateway.deliver_batch(batch)
            assert (tree / "out/WJ_20261124_001.txt").read_bytes() == gateway.seal(batch)


async def test_two_that_collect_from_one_folder_lose_nothing_and_put_each_file_away_once(
    sshd: OpenSsh, tree: Path
) -> None:
    ids = {uuid4() for _ in range(30)}
    for number, delivery in enumerate(sorted(ids, key=str), 1):
        put_result(tree, [line(delivery)], f"WJ_JG_20261124_{number:03d}.txt")
    told: list[Reply] = []
    trouble: set[str] = set()

    async def all_of(gateway: FileDropGateway) -> None:
        for _ in range(4):
            try:
                async for replies in gateway.collect():
                    told.extend(replies)
            except TemporaryError as error:
                trouble.add(error.code)

    async with at(sshd, tree) as one, at(sshd, tree) as other:
        await asyncio.gather(all_of(one), all_of(other))
    assert {reply.delivery_id for reply in told} == ids
    assert trouble <= {"no_such_file", "exists"}, "the other one was faster"
    assert names(tree / "back") == []
    # The one that comes second may find the file done and remove its control file.
    done = [name for name in names(tree / "back/done") if name.endswith(".txt")]
    assert len(done) == 30


async def test_a_killed_session_is_replaced_by_a_new_connection(sshd: OpenSsh, tree: Path) -> None:
    async with at(sshd, tree) as gateway:
        await gateway.check()
        sshd.signal_sessions(signal.SIGKILL)
        told: list[str] = []
        try:
            await gateway.check()
        except TemporaryError as lost:  # where the loss was noticed before, the call has a new connection already
            told.append(lost.code)
        await gateway.deliver_batch(batch_of(delivery_of()))
    assert told in ([], ["connection_lost"])
    assert len(names(tree / "out")) == 2
