"""The simulated SFTP server keeps the promises of a real one, so that tests against it prove something."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from adapters.sftp_session import FSYNC, SftpSession
from simulators.dial import FaultDial
from simulators.faults import Fault
from simulators.sftp_server import Account, SftpServer, sftp_server


@contextmanager
def session(server: SftpServer) -> Iterator[SftpSession]:
    with paramiko.Transport((server.host, server.port)) as transport:
        transport.connect(username="onedoor", password="onedoor")
        channel = transport.open_session()
        channel.invoke_subsystem("sftp")
        with SftpSession(channel) as opened:
            yield opened
    transport.sock.close()


def test_a_plain_rename_never_replaces_and_a_posix_rename_does(sftp: SftpServer, sftp_tree: Path) -> None:
    for name in ("a", "b"):
        (sftp_tree / name).write_text(name)
    with session(sftp) as client:
        with pytest.raises(OSError, match="Failure"):
            client.rename("/a", "/b")
        assert (sftp_tree / "b").read_text() == "b"
        client.posix_rename("/a", "/b")
        assert (sftp_tree / "b").read_text() == "a"
        with pytest.raises(FileNotFoundError):
            client.posix_rename("/a", "/c")
        assert client.stat("/b").st_size == 1
        for missing in (client.stat, client.remove, client.listdir):
            with pytest.raises(FileNotFoundError):
                missing("/none")
        with pytest.raises(OSError, match="Operation unsupported"):
            client.mkdir("/folder")


def test_fsync_is_offered_and_done(sftp: SftpServer, sftp_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with session(sftp) as client:
        assert FSYNC in client.extensions
        with client.open("/a", "wb") as file:
            file.write(b"x")
            client.sync(file)
            assert len(synced) == 1
            client.extensions = frozenset()
            client.sync(file)
            assert len(synced) == 1
            client.extensions = frozenset({FSYNC})
            known = file.handle
            vars(file)["handle"] = b"no such handle"
            with pytest.raises(OSError, match="Failure"):
                client.sync(file)
            file.handle = known


def test_no_path_leaves_the_account(sftp: SftpServer, sftp_tree: Path) -> None:
    (sftp_tree.parent / "secret").write_text("s")
    with session(sftp) as client:
        for path in ("/../secret", "../secret", "/out/../../secret"):
            with pytest.raises(FileNotFoundError):
                client.open(path)


def test_the_door_may_refuse_and_delay(sftp_tree: Path) -> None:
    account = Account(username="onedoor", password="onedoor", root=sftp_tree)
    with sftp_server([account], dial=FaultDial({Fault.REFUSE: 1.0}, seed=1)) as server:
        with pytest.raises((paramiko.SSHException, EOFError, ConnectionError)), session(server):
            pass
        assert server.connections == 0
    with sftp_server([account], dial=FaultDial({Fault.DELAY: 1.0}, seed=1), delay_seconds=0.3) as server:
        started = time.monotonic()
        with session(server) as client:
            assert client.listdir("/back") == ["done", "quarantine"] or client.listdir("/back")
        assert time.monotonic() - started >= 0.3
