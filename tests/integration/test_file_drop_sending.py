"""Batches going out: whole or not at all, and the same when sent again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.delivery import AwaitingReply
from contracts.errors import OutcomeUnknownError, PermanentError, TemporaryError
from contracts.plugin import BatchGateway, Collecting, Preparing
from simulators import sftp_server as sftp_server_module
from simulators.sftp_server import SftpServer
from tests.file_world import CSV_TABLE, OUT_NAME, TABLE, Place, batch_of, delivery_of, names, opened, watching


async def test_the_gateway_has_exactly_the_capabilities_of_a_file_exchange(sftp: SftpServer) -> None:
    async with opened(TABLE, sftp) as gateway:
        assert isinstance(gateway, Preparing)
        assert isinstance(gateway, BatchGateway)
        assert isinstance(gateway, Collecting)
        await gateway.check()
        with pytest.raises(PermanentError, match="batch_only"):
            await gateway.deliver(delivery_of())


async def test_the_same_batch_gives_the_same_bytes_and_stored_records_win(sftp: SftpServer) -> None:
    first, second = delivery_of(), delivery_of("check", SFZH="990101")
    async with opened(TABLE, sftp) as gateway:
        assert gateway.prepare(first) == f"{first.id}|!WJ01|!样例𠮷|!20260105\r\n".encode("gb18030")
        batch = batch_of(first, second)
        assert gateway.seal(batch) == gateway.seal(batch) == gateway.prepare(first) + gateway.prepare(second)
        assert gateway.seal(batch_of(replace(first, payload=b"stored\r\n"), second)).startswith(b"stored\r\n")
        assert gateway.seal(batch_of()) == b""


async def test_what_a_record_cannot_carry_is_refused_before_anything_leaves(sftp: SftpServer) -> None:
    async with opened(TABLE, sftp) as gateway:
        for delivery, code in (
            (delivery_of(XM="样|!例"), "not_expressible"),
            (delivery_of(TXRQ="2026-01-05"), "field_missing"),
            (delivery_of("elsewhere"), "operation_not_carried"),
        ):
            with pytest.raises(PermanentError, match=code):
                gateway.prepare(delivery)
    async with opened(CSV_TABLE, sftp) as gateway:
        with pytest.raises(PermanentError, match="not_encodable"):
            gateway.prepare(delivery_of())


async def test_with_a_header_row_all_operations_share_its_columns(sftp: SftpServer, sftp_tree: Path) -> None:
    first, second = delivery_of(XM='样例"甲",乙'), delivery_of("check")
    async with opened(CSV_TABLE, sftp) as gateway:
        await gateway.deliver_batch(batch_of(first, second))
    text = (sftp_tree / "out" / OUT_NAME).read_bytes().decode("gbk")
    assert text == (f'LSH,YWDM,XM,TXRQ,SFZH\n{first.id.hex},WJ01,"样例""甲"",乙",,\n{second.id.hex},WJ02,,,x\n')
    assert (sftp_tree / "out" / "WJ_20261124_001.flg").read_bytes() == b""


async def test_a_file_appears_whole_and_its_control_file_last(sftp: SftpServer, sftp_tree: Path) -> None:
    batch = batch_of(*(delivery_of(XM=f"样例{number}" * 100) for number in range(300)))
    sftp.write_pause_seconds = 0.005
    async with opened(TABLE, sftp) as gateway:
        content = gateway.seal(batch)
        with watching(sftp_tree / "out", OUT_NAME) as sizes, watching(sftp_tree / "out", OUT_NAME + ".tmp") as growing:
            outcomes = await gateway.deliver_batch(batch)
    assert sizes == {len(content)}
    # Otherwise nobody looked while it was under way.
    assert len(growing) > 2
    assert outcomes == {one.id: AwaitingReply() for one in batch.deliveries}
    assert names(sftp_tree / "out") == ["WJ_20261124_001.ok", OUT_NAME]
    assert (sftp_tree / "out" / "WJ_20261124_001.ok").read_text().splitlines()[0] == "rows=300"


async def test_a_resent_batch_finishes_what_is_missing_and_changes_nothing(sftp: SftpServer, sftp_tree: Path) -> None:
    batch = batch_of(delivery_of())
    data, control = sftp_tree / "out" / OUT_NAME, sftp_tree / "out" / "WJ_20261124_001.ok"
    async with opened(TABLE, sftp) as gateway:
        await gateway.deliver_batch(batch)
        before = data.stat().st_ino, control.stat().st_ino
        assert await gateway.deliver_batch(batch)
        assert (data.stat().st_ino, control.stat().st_ino) == before
        control.unlink()
        (sftp_tree / "out" / (OUT_NAME + ".tmp")).write_bytes(b"left by a crash")
        assert await gateway.deliver_batch(batch)
        assert data.stat().st_ino == before[0]
        assert control.exists()


async def test_a_name_taken_by_other_content_is_permanent_and_stays_untouched(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    for strange in (b"other", b"other" * 1000):
        (sftp_tree / "out" / OUT_NAME).write_bytes(strange)
        async with opened(TABLE, sftp) as gateway:
            with pytest.raises(PermanentError, match="name_taken"):
                await gateway.deliver_batch(batch_of(delivery_of()))
        assert (sftp_tree / "out" / OUT_NAME).read_bytes() == strange


async def test_a_failure_before_the_rename_is_temporary_and_shows_nothing(sftp: SftpServer, sftp_tree: Path) -> None:
    async with opened(TABLE, sftp) as gateway:
        (sftp_tree / "out").rmdir()
        with pytest.raises(TemporaryError, match="no_such_file"):
            await gateway.deliver_batch(batch_of(delivery_of()))
        (sftp_tree / "out").mkdir()
        sftp.write_pause_seconds = 3
        with pytest.raises(TemporaryError, match="timeout"):
            await gateway.deliver_batch(batch_of(delivery_of()))
        sftp.write_pause_seconds = 0
        assert names(sftp_tree / "out") in ([], [OUT_NAME + ".tmp"])
        assert await gateway.deliver_batch(batch_of(delivery_of()))


async def test_a_failure_after_the_rename_is_unknown(sftp: SftpServer, sftp_tree: Path) -> None:
    (sftp_tree / "out" / "WJ_20261124_001.ok").write_bytes(b"somebody else's")
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(OutcomeUnknownError, match="name_taken"):
            await gateway.deliver_batch(batch_of(delivery_of()))


async def test_a_rename_without_an_answer_is_unknown(
    sftp: SftpServer, sftp_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = sftp_server_module._Folder.rename

    def renamed_in_silence(self: Any, old: str, new: str) -> int:
        done = rename(self, old, new)
        sftp.stand_still()
        self.stall()
        return done

    monkeypatch.setattr(sftp_server_module._Folder, "rename", renamed_in_silence)
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(OutcomeUnknownError, match="timeout"):
            await gateway.deliver_batch(batch_of(delivery_of()))
        assert names(sftp_tree / "out") == [OUT_NAME]
        sftp.go_on()


async def test_a_server_that_renames_over_files_is_not_given_the_chance(sftp: SftpServer, sftp_tree: Path) -> None:
    async with opened(TABLE, sftp) as gateway:
        files = gateway._folders
        await files.write("/out/a", b"1")
        await files.write("/out/b", b"2")
        with pytest.raises(TemporaryError, match="exists"):
            await files.rename("/out/a", "/out/b")
        assert (sftp_tree / "out" / "b").read_bytes() == b"2"
        with pytest.raises(TemporaryError, match="no_such_file"):
            await files.rename("/out/none", "/out/c")
        await files.remove("/out/none")
        with pytest.raises(TemporaryError, match="too_large"):
            await files.read("/out/a", 0)


class Overtaken(SftpFiles):
    """Another process of ours places the same batch, or somebody else another file, just before the rename."""

    content = b""

    def rename(self, old: str, new: str) -> None:
        if not self.exists(new):
            super().write(new, self.content)
        super().rename(old, new)

    def exists(self, path: str) -> bool:
        self.vanish = getattr(self, "vanish", 0) - 1
        return super().exists(path) or self.vanish == 0


async def test_a_name_taken_at_the_last_moment_is_compared_like_any_other(sftp: SftpServer, sftp_tree: Path) -> None:
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = Overtaken(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts())
    batch = batch_of(delivery_of())
    table = {key: value for key, value in TABLE.items() if key != "control_file"}
    async with opened(table, sftp, Place(given=files)) as gateway:
        files.content = gateway.seal(batch)
        assert await gateway.deliver_batch(batch)
        files.content = b"other"
        with pytest.raises(PermanentError, match="name_taken"):
            await gateway.deliver_batch(replace(batch, sequence=2))
        # The department takes the file between the look and the comparison: it is sent again, under the same name.
        files.content = gateway.seal(batch)
        files.vanish = 1
        assert await gateway.deliver_batch(replace(batch, sequence=3))
    files.close()


async def test_an_empty_batch_is_an_empty_file_with_its_control_file(sftp: SftpServer, sftp_tree: Path) -> None:
    async with opened(TABLE, sftp) as gateway:
        assert await gateway.deliver_batch(batch_of()) == {}
        assert await gateway.deliver_batch(batch_of()) == {}
    assert (sftp_tree / "out" / OUT_NAME).read_bytes() == b""
    assert (sftp_tree / "out/WJ_20261124_001.ok").read_text().startswith("rows=0")


async def test_a_server_that_keeps_less_than_was_sent_is_found_out(
    sftp: SftpServer, sftp_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp_server_module._File, "write", lambda *_: 0)
    async with opened(TABLE, sftp) as gateway:
        with pytest.raises(TemporaryError, match="short_write"):
            await gateway.deliver_batch(batch_of(delivery_of()))
    assert OUT_NAME not in names(sftp_tree / "out")
