"""Receipts for whole files, totals in control files, numbers within a day, and folders of any size."""

import itertools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from adapters.control_files import control_content, read_verified, totals
from adapters.file_drop_table import FileDropTable, Receipt
from adapters.file_names import file_name, numbered
from adapters.file_receipts import receipt_of
from adapters.file_records import exchange
from adapters.record_verdicts import FileRejected
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.errors import PermanentError, TemporaryError
from contracts.exchange import FileState, ReceiptVerdict
from simulators.sftp_server import SftpServer
from tests.file_world import (
    BACK_NAME,
    OUT_NAME,
    SEALED_AT,
    TABLE,
    Place,
    batch_of,
    collected,
    delivery_of,
    everything,
    line,
    names,
    opened,
    put_result,
    system_of,
)

RECEIPT = {"suffix": ".ack", "code": "JG", "accepted": ["00"], "again": ["98"], "rows": "rows", "within_minutes": 120}
WITH_RECEIPT = {**TABLE, "receipt": RECEIPT}


@pytest.fixture
def receipts(sftp_tree: Path) -> Path:
    for folder in ("ack", "ack/done", "ack/quarantine"):
        (sftp_tree / folder).mkdir()
    return sftp_tree / "ack"


async def test_a_receipt_is_read_told_and_put_away_when_it_is_committed(sftp: SftpServer, receipts: Path) -> None:
    async with opened(WITH_RECEIPT, sftp) as gateway:
        await gateway.check()
        batch = batch_of(delivery_of())
        await gateway.deliver_batch(batch)
        assert gateway.batch_name(batch) == OUT_NAME
        (receipts / "WJ_20261124_001.ack").write_bytes(b"JG=00\r\nrows=1\r\n")
        (receipts / "note.ack").write_bytes(b"?")
        files = gateway.collect()
        found = await anext(files)
        assert names(receipts) == ["WJ_20261124_001.ack", "note.ack"]
        with pytest.raises(StopAsyncIteration):
            await anext(files)
    receipt = found.receipt  # type: ignore[attr-defined]  # a Collected
    assert (receipt.name, receipt.verdict, receipt.rows) == (OUT_NAME, ReceiptVerdict.ACCEPTED, 1)
    assert names(receipts / "done") == ["WJ_20261124_001.ack"]


async def test_a_receipt_that_cannot_be_read_goes_to_quarantine_and_holds_up_nothing(
    sftp: SftpServer, sftp_tree: Path, receipts: Path
) -> None:
    (receipts / "WJ_20261124_001.ack").write_bytes(b"JG=00\nJG=98\n")
    (receipts / "WJ_20261124_002.ack").write_bytes(b"x" * 70_000)
    put_result(sftp_tree, [line(uuid4())])
    async with opened(WITH_RECEIPT, sftp) as gateway:
        assert len(await collected(gateway)) == 1
    assert names(receipts) == []
    assert len(names(receipts / "quarantine")) == 4


@pytest.mark.parametrize(
    ("content", "verdict", "code"),
    [
        (b"JG=00", ReceiptVerdict.ACCEPTED, "00"),
        (b"JG=98\r\n", ReceiptVerdict.AGAIN, "98"),
        (b" JG = 42 \n", ReceiptVerdict.REFUSED, "42"),
    ],
    ids=["accepted", "again", "refused"],
)
def test_the_code_of_a_receipt_decides(content: bytes, verdict: ReceiptVerdict, code: str) -> None:
    found = receipt_of(Receipt.model_validate(RECEIPT), OUT_NAME, content)
    assert (found.verdict, found.code, found.rows) == (verdict, code, None)


@pytest.mark.parametrize(
    "content", [b"", b"rows=1", b"JG=", b"JG=\xff\xff", b"JG=00\nrows=many", b"JG=00\nJG=00"], ids=repr
)
def test_a_receipt_without_its_code_is_none(content: bytes) -> None:
    with pytest.raises(FileRejected, match="receipt"):
        receipt_of(Receipt.model_validate(RECEIPT), OUT_NAME, content)


def test_a_receipt_without_codes_says_yes_by_being_there() -> None:
    assert receipt_of(Receipt(suffix=".ack"), OUT_NAME, b"").verdict is ReceiptVerdict.ACCEPTED


TOTALS: dict[str, Any] = {
    "suffix": ".ok",
    "content": ["rows", "sha256", "sequence", "day_sequence", "amount_cents", "hash_total"],
    "sum_of": "amount",
    "hash_of": "LSH",
}


async def test_a_control_file_carries_the_totals_and_both_sequences(sftp: SftpServer, sftp_tree: Path) -> None:
    control = {**TOTALS, "content": ["rows", "sequence", "day_sequence", "hash_total"], "hash_of": "LSH"}
    del control["sum_of"]
    table = {**TABLE, "control_file": control, "out": {**TABLE["out"], "pattern": "WJ_{date:%Y%m%d}_{day_seq:03d}.txt"}}
    members = [delivery_of(), delivery_of()]
    async with opened(table, sftp) as gateway:
        await gateway.deliver_batch(batch_of(*members, sequence=77, day_sequence=2))
    assert names(sftp_tree / "out") == ["WJ_20261124_002.ok", "WJ_20261124_002.txt"]
    told = dict(pair.split("=") for pair in (sftp_tree / "out/WJ_20261124_002.ok").read_text().split())
    digits = sum(int("".join(filter(str.isdigit, str(one.id)))) for one in members)
    assert told == {"rows": "2", "sequence": "77", "day_sequence": "2", "hash_total": str(digits % 10**15)}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, ""),
        ({"amount_cents": 240_101}, "amount_cents"),
        ({"hash_total": 1}, "hash_total"),
        ({"day_sequence": 2}, "day_sequence"),
    ],
    ids=["true", "another sum", "another hash total", "another number than the name"],
)
async def test_totals_that_are_not_true_of_a_result_reject_it_whole(
    sftp: SftpServer, sftp_tree: Path, change: dict[Any, int], code: str
) -> None:
    back = {**TABLE["back"], "control_file": TOTALS, "sequence": "daily"}
    table = {**TABLE, "back": back}
    spec = exchange(system_of(table), FileDropTable.model_validate(table))
    content = "".join(f"{line(uuid4())}\r\n" for _ in range(2)).encode("gb18030")
    numbers = totals(spec.incoming.lines(content, whole=True), spec.incoming.columns, "amount", "LSH")
    assert numbers["amount_cents"] == 240_100
    told = {"sequence": 9, "day_sequence": 1, **numbers, **change}
    control = control_content(TOTALS["content"], name=BACK_NAME, content=content, rows=2, numbers=told)
    (sftp_tree / "back" / BACK_NAME).write_bytes(content)
    (sftp_tree / "back/WJ_JG_20261124_001.ok").write_bytes(control)
    async with opened(table, sftp) as gateway:
        (found,) = await everything(gateway)
    assert found.file is not None
    assert (found.file.state, found.file.reason) == (FileState.QUARANTINED if code else FileState.TAKEN, code)
    assert (found.file.scope, found.file.sequence) == ("20261124", 1)


def test_totals_need_numbers() -> None:
    spec = exchange(system_of(TABLE), FileDropTable.model_validate(TABLE))
    content = f"{line(uuid4(), 'WJ01', '00', 'much', 'x')}\r\n".encode()
    with pytest.raises(FileRejected, match="amount_cents"):
        totals(spec.incoming.lines(content, whole=True), spec.incoming.columns, "amount", None)
    with pytest.raises(FileRejected, match="control_file"):
        read_verified(spec.incoming, b"", name="x", items=("sequence",), control=b"sequence=first")


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("WJ_{date:%Y%m%d}_{seq:03d}.txt", "WJ_20261124_007.txt", ("20261124", 7)),
        ("GJJ_{date:%Y%m%d%H%M}_{seq:02d}.dat", "GJJ_202611241130_12.dat", ("20261124", 12)),
        ("X{seq:d}.txt", "X1234.txt", ("", 1234)),
        ("X{day_seq:02d}_{date:%y%j}.txt", "X07_26328.txt", ("26328", 7)),
        ("X{seq:d}.txt", "Y1.txt", None),
    ],
    ids=str,
)
def test_a_name_tells_its_day_and_its_number(pattern: str, name: str, found: tuple[str, int] | None) -> None:
    assert numbered(pattern, name) == found
    if found is not None:
        assert numbered(pattern, file_name(pattern, SEALED_AT, 3, "Asia/Shanghai", 3)) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"out": {**TABLE["out"], "pattern": "WJ_{day_seq:03d}.txt"}},
        {"receipt": {"suffix": ".ack", "code": "JG"}},
        {"receipt": {"suffix": ".ack", "done_dir": "/ack"}},
        {"control_file": {"suffix": ".ok", "content": ["amount_cents"]}},
        {"control_file": {"suffix": ".ok", "content": ["rows"], "hash_of": "LSH"}},
    ],
    ids=[
        "a number of the day without a day",
        "codes",
        "its own folder",
        "a sum of nothing",
        "a total that nobody writes",
    ],
)
def test_a_declaration_that_cannot_work_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ValidationError is one, and the texts are pydantic's
        FileDropTable.model_validate({**TABLE, **change})


class Counting(SftpFiles):
    """Counts the pages that were fetched."""

    pages_fetched = 0

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        for page in super().pages(folder, size):
            self.pages_fetched += 1
            yield page


async def test_the_first_file_is_read_long_before_a_large_folder_is_listed(sftp: SftpServer, sftp_tree: Path) -> None:
    for number in range(6_000):
        (sftp_tree / "back" / f"other_{number}.txt").touch()
    for number in range(1, 40):
        put_result(sftp_tree, [line(uuid4())], f"WJ_JG_20261124_{number:03d}.txt")
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = Counting(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts())
    async with opened(TABLE, sftp, Place(given=files)) as gateway:
        found = gateway.collect()
        await anext(found)
        first = files.pages_fetched
        seen = 1 + len([one async for one in found])
    files.close()
    assert seen == 39
    assert first < files.pages_fetched / 2, "the first file was there before half of the folder was listed"
    assert len(names(sftp_tree / "back/done")) == 2 * 39


async def test_one_look_takes_no_more_files_than_declared_and_the_next_one_goes_on(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    for number in range(1, 8):
        put_result(sftp_tree, [line(uuid4())], f"WJ_JG_20261124_{number:03d}.txt")
    table = {**TABLE, "back": {**TABLE["back"], "max_files": 3}}
    async with opened(table, sftp) as gateway:
        assert [len(await collected(gateway)) for _ in range(2)] == [7, 0], "a page that is begun is finished"


def test_a_listing_ends_when_its_connection_breaks(sftp: SftpServer, sftp_tree: Path) -> None:
    for number in range(10):
        (sftp_tree / "back" / f"f{number}").touch()
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = SftpFiles(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts(channel_seconds=2, total_seconds=4))
    pages = files.pages("/back", 3)
    assert len(next(pages)) == 3
    sftp.cut()
    assert len(files.list("/back", 100)) == 10, "a new connection"
    with pytest.raises(TemporaryError, match="connection_lost"):
        list(itertools.islice(pages, 5))
    pages.close()
    again = files.pages("/back", 3)
    next(again)
    again.close()
    files.close()


async def test_a_file_that_the_hub_refuses_is_set_aside_with_the_hubs_reason(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    async with opened(TABLE, sftp) as gateway:
        files: Any = gateway.collect()
        await anext(files)
        with pytest.raises(StopAsyncIteration):
            await files.athrow(PermanentError("name_reused", "known to the hub"))
    (reason,) = (sftp_tree / "back/quarantine").glob("*.reason.txt")
    assert reason.read_text() == "name_reused\nknown to the hub\n"
    assert names(sftp_tree / "back") == names(sftp_tree / "back/done") == []
