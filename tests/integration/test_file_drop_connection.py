"""The SFTP connection: pinned, kept, replaced, and never waited for too long."""

import asyncio
import socket
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_PARTIALLY_SUCCESSFUL

from adapters.file_drop import make
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.errors import CredentialsError, TemporaryError
from simulators import sftp_server as sftp_server_module
from simulators.sftp_server import Account, SftpServer, sftp_server
from tests.file_world import (
    OUT_NAME,
    TABLE,
    Place,
    batch_of,
    collected,
    delivery_of,
    names,
    opened,
    put_result,
    system_of,
)


async def test_one_connection_is_kept_and_a_broken_one_replaced(sftp: SftpServer) -> None:
    async with opened(TABLE, sftp) as gateway:
        for _ in range(3):
            await gateway.check()
        assert sftp.connections == 1
        sftp.cut()
        await asyncio.sleep(0.1)
        await gateway.check()
        assert sftp.connections == 2
    for timer in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
        await asyncio.to_thread(timer.join, 10)  # one that was cancelled is a thread for a moment more
        assert not timer.is_alive()


async def test_calls_at_the_same_time_take_turns(sftp: SftpServer) -> None:
    async with opened(TABLE, sftp) as gateway:
        await asyncio.gather(*(gateway.check() for _ in range(8)))
        assert sftp.connections == 1


async def test_a_changed_host_key_sends_no_password(sftp_tree: Path) -> None:
    account = Account(username="onedoor", password="onedoor", root=sftp_tree)
    pinned = paramiko.ECDSAKey.generate()
    for key in (paramiko.ECDSAKey.generate(), paramiko.RSAKey.generate(2048)):
        with sftp_server([account], key=key) as sftp:
            async with opened(
                TABLE, sftp, Place(secrets={}), host_key=f"{pinned.get_name()} {pinned.get_base64()}"
            ) as gateway:
                with pytest.raises(CredentialsError) as refusal:
                    await gateway.check()
        assert refusal.value.code == "host_key"


async def test_an_rsa_host_key_can_be_pinned(sftp_tree: Path) -> None:
    with sftp_server(
        [Account(username="onedoor", password="onedoor", root=sftp_tree)], key=paramiko.RSAKey.generate(2048)
    ) as sftp:
        async with opened(TABLE, sftp) as gateway:
            await gateway.check()


async def test_a_wrong_password_holds_the_lane_and_a_new_one_needs_no_restart(sftp: SftpServer) -> None:
    place = Place(secrets={"sftp_password": "wrong"})
    async with opened(TABLE, sftp, place) as gateway:
        with pytest.raises(CredentialsError, match="login"):
            await gateway.deliver_batch(batch_of(delivery_of()))
        place.secrets.clear()
        with pytest.raises(CredentialsError, match="no_secret"):
            await gateway.check()
        place.secrets["sftp_password"] = "onedoor"
        await gateway.check()


async def test_a_private_key_logs_in_and_a_spoilt_one_is_named(sftp_tree: Path, tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "id"))
    account = Account(
        username="onedoor", password="", root=sftp_tree, authorized_key=f"{key.get_name()} {key.get_base64()}"
    )
    table = {**TABLE, "auth": {"private_key": "key"}}
    place = Place(secrets={"key": (tmp_path / "id").read_text()})
    with sftp_server([account]) as sftp:
        async with opened(table, sftp, place) as gateway:
            await gateway.check()
        place.secrets["key"] = "no key"
        async with opened(table, sftp, place) as gateway:
            with pytest.raises(CredentialsError, match="private_key"):
                await gateway.check()


async def test_nobody_listening_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    key = paramiko.ECDSAKey.generate()
    system = system_of(TABLE)
    values = {"host": "127.0.0.1", "port": port, "username": "x", "host_key": f"{key.get_name()} {key.get_base64()}"}
    async with make(system, system.channels[0]).open(values, Place()) as gateway:
        with pytest.raises(TemporaryError, match="connect_refused"):
            await gateway.check()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20, b"SSH-2.0-x\r\n" + bytes(400)])
async def test_a_server_that_is_no_sftp_server_is_given_up_in_time(greeting: bytes) -> None:
    key = paramiko.ECDSAKey.generate()
    system = system_of({**TABLE, "timeouts": {"connect_seconds": 0.4, "channel_seconds": 0.4, "total_seconds": 1.5}})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def greet() -> None:
            connection, _ = listener.accept()
            kept.append(connection)
            connection.sendall(greeting)

        threading.Thread(target=greet, daemon=True).start()
        values = {
            "host": "127.0.0.1",
            "port": listener.getsockname()[1],
            "username": "x",
            "host_key": f"{key.get_name()} {key.get_base64()}",
        }
        started = time.monotonic()
        async with make(system, system.channels[0]).open(values, Place()) as gateway:
            with pytest.raises(TemporaryError, match="connect"):
                await gateway.check()
        assert time.monotonic() - started < 3
        for connection in kept:
            connection.close()


async def test_a_server_that_stands_still_gives_every_call_back_in_time(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [])
    async with opened(TABLE, sftp) as gateway:
        await gateway.check()
        for call in (gateway.check, lambda: gateway.deliver_batch(batch_of(delivery_of())), lambda: collected(gateway)):
            sftp.stand_still()
            started = time.monotonic()
            with pytest.raises(TemporaryError, match="timeout"):
                await call()
            assert time.monotonic() - started < 4.5
            sftp.go_on()
            await gateway.check()


async def test_a_server_that_drips_is_cut_off_at_the_total_deadline(sftp: SftpServer, sftp_tree: Path) -> None:
    table = {**TABLE, "timeouts": {"connect_seconds": 2, "channel_seconds": 1, "total_seconds": 1.2}}
    sftp.write_pause_seconds = 0.3
    async with opened(table, sftp) as gateway:
        started = time.monotonic()
        with pytest.raises(TemporaryError, match="timeout"):
            await gateway.deliver_batch(batch_of(*(delivery_of(XM="样例" * 2000) for _ in range(100))))
        assert time.monotonic() - started < 3
    assert OUT_NAME not in names(sftp_tree / "out")


async def test_files_given_by_the_runtime_are_used_instead_of_a_connection(sftp: SftpServer) -> None:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(opened(TABLE, sftp))
        place = Place(given=gateway._folders._files, secrets={})
        other = await stack.enter_async_context(opened(TABLE, sftp, place, port=1))
        await other.check()
    assert sftp.connections == 1


async def test_a_call_waits_for_another_only_as_long_as_a_call_may_take(sftp: SftpServer) -> None:
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = SftpFiles(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts(total_seconds=0.5))
    files.list("/out", 1)
    with files._lock, pytest.raises(TemporaryError, match="busy"):
        files.exists("/out/x")
    sftp.stand_still()
    waiting = asyncio.create_task(asyncio.to_thread(files.exists, "/out/x"))
    await asyncio.sleep(0.1)
    started = time.monotonic()
    # Closing does not wait for a call that hangs.
    files.close()
    assert time.monotonic() - started < 0.3
    with pytest.raises(TemporaryError):
        await waiting
    sftp.go_on()


async def test_only_safe_algorithms_are_spoken(sftp: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paramiko.Transport, "_preferred_macs", ("hmac-sha1", "hmac-md5"))
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises((CredentialsError, TemporaryError)):
            await gateway.check()


async def test_a_login_that_wants_more_than_one_proof_needs_staff(
    sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_server_module._Door, "check_auth_password", lambda *_: AUTH_PARTIALLY_SUCCESSFUL)
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(CredentialsError, match="login"):
            await gateway.check()


async def test_a_server_that_dies_during_the_login_is_no_wrong_password(
    sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> int:
        sftp.cut()
        return 0

    monkeypatch.setattr(sftp_server_module._Door, "check_auth_password", die)
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(TemporaryError):
            await gateway.check()


async def test_a_server_that_is_silent_during_the_login_is_no_wrong_password(
    sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence(*_: object) -> int:
        time.sleep(1.5)
        return 0

    monkeypatch.setattr(sftp_server_module._Door, "check_auth_password", silence)
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(TemporaryError):
            await gateway.check()
