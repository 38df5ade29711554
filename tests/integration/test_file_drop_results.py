"""Result files coming back: a verdict a line, nothing half-applied, nothing lost or overwritten."""

import os
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from adapters.control_files import control_content
from adapters.sftp_client import SftpAddress, SftpFiles, SftpLogin, SftpTimeouts
from contracts.delivery import Completed, Decision, Returned
from contracts.errors import DuplicateError, OutcomeUnknownError, PermanentError, TemporaryError
from simulators.sftp_server import SftpServer
from tests.file_world import BACK_NAME, CSV_TABLE, TABLE, Place, collected, line, names, opened, put_result


async def test_every_line_becomes_a_reply_and_the_file_is_put_away_when_resumed(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    ids = [uuid4() for _ in range(7)]
    lines = [
        line(ids[0]),
        line(ids[1], "WJ02"),
        line(ids[2], "WJ01", "10"),
        line(ids[3], "WJ01", "20"),
        line(ids[4], "WJ01", "01"),
        line(ids[5], "WJ01", "03"),
        line(ids[6], "WJ01", "99"),
    ]
    put_result(sftp_tree, lines)
    async with opened(TABLE, sftp) as gateway:
        files = gateway.collect()
        replies = await anext(files)
        assert names(sftp_tree / "back") == ["WJ_JG_20261124_001.ok", BACK_NAME]
        with pytest.raises(StopAsyncIteration):
            await anext(files)
    assert [reply.delivery_id for reply in replies] == ids
    outcomes = [reply.outcome for reply in replies]
    assert outcomes[:4] == [
        Completed(decision=Decision.GRANTED, fields={"amount": "1200.50", "reason": "样例㛃"}),
        Completed(decision=Decision.GRANTED, fields={"found": True}),
        Completed(decision=Decision.REFUSED, fields={"amount": "1200.50", "reason": "样例㛃"}),
        Returned(reason_code="20"),
    ]
    assert [type(outcome) for outcome in outcomes[4:]] == [PermanentError, DuplicateError, TemporaryError]
    assert names(sftp_tree / "back") == []
    assert names(sftp_tree / "back/done") == ["WJ_JG_20261124_001.ok", BACK_NAME]


async def test_a_closed_collection_leaves_its_file_for_the_next_one(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    async with opened(TABLE, sftp) as gateway:
        files = cast(Any, gateway.collect())
        first = await anext(files)
        await files.aclose()
        assert names(sftp_tree / "back") == ["WJ_JG_20261124_001.ok", BACK_NAME]
        (again,) = await collected(gateway)
    assert [reply.delivery_id for reply in again] == [reply.delivery_id for reply in first]


async def test_only_marked_files_of_the_pattern_are_looked_at(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    (sftp_tree / "back/WJ_JG_20261124_001.ok").unlink()
    for strange in ("WJ_JG_20261124_xxx.txt", "WJ_JG_20261124_002.txt.part", "note.txt", "WJ_JG_20261124_009.ok"):
        (sftp_tree / "back" / strange).write_bytes(b"?")
    (sftp_tree / "back/WJ_JG_20261124_003.txt").mkdir()
    (sftp_tree / "back/WJ_JG_20261124_004.txt").symlink_to("/etc/hostname")
    (sftp_tree / "back/WJ_JG_20261124_004.ok").write_bytes(b"rows=1")
    (sftp_tree / "back" / os.fsdecode("样例.txt".encode("gbk"))).write_bytes(b"?")
    async with opened(TABLE, sftp) as gateway:
        assert await collected(gateway) == []
    assert BACK_NAME in names(sftp_tree / "back")
    assert names(sftp_tree / "back/quarantine") == []


@pytest.mark.parametrize(
    ("proof", "code"),
    [({"instead": b"cut"}, "md5"), ({"rows": 3}, "rows"), ({"instead": b""}, "md5")],
    ids=["truncated", "wrong count", "empty"],
)
async def test_a_file_that_its_control_file_disproves_goes_to_quarantine_whole(
    sftp: SftpServer, sftp_tree: Path, proof: dict[str, Any], code: str
) -> None:
    put_result(sftp_tree, [line(uuid4()), line(uuid4())], **proof)
    async with opened(TABLE, sftp) as gateway:
        assert await collected(gateway) == []
        put_result(sftp_tree, [line(uuid4())], **proof)
        assert await collected(gateway) == []
    kept = names(sftp_tree / "back/quarantine")
    # Twice the same name: both are kept, each with its reason.
    assert len(kept) == 6
    reasons = [(sftp_tree / "back/quarantine" / name).read_text() for name in kept if name.endswith(".reason.txt")]
    assert [reason.split()[0] for reason in reasons] == [code, code]
    assert names(sftp_tree / "back") == []


async def test_a_line_that_cannot_be_read_harms_no_other(sftp: SftpServer, sftp_tree: Path) -> None:
    ids = [uuid4() for _ in range(5)]
    lines = [
        line(ids[0]),
        line(ids[1], "WJ99"),
        line(ids[2], "WJ01", "00", "120050"),
        line(ids[3], "WJ01", "00", "12.5", ""),
        "nonsense|!WJ01|!00|!1|!x",
        line(ids[4], "WJ01", "77"),
    ]
    put_result(sftp_tree, lines)
    async with opened(TABLE, sftp) as gateway:
        (replies,) = await collected(gateway)
    assert [reply.delivery_id for reply in replies] == ids
    codes = [getattr(reply.outcome, "code", "") for reply in replies]
    assert codes == ["", "unreadable_line", "unreadable_line", "bad_reply_field", "unknown_result_code"]
    (reason,) = (sftp_tree / "back/quarantine").glob("*.reason.txt")
    assert reason.read_text() == "unreadable_lines\nline 5: reference\n"
    assert BACK_NAME in names(sftp_tree / "back/done")


async def test_a_line_with_broken_bytes_still_names_its_delivery(sftp: SftpServer, sftp_tree: Path) -> None:
    known = uuid4()
    content = f"{known}|!WJ01|!00|!1|!".encode() + b"\xff\r\n"
    (sftp_tree / "back" / BACK_NAME).write_bytes(content)
    control = control_content(("rows", "md5"), name=BACK_NAME, content=content, rows=1)
    (sftp_tree / "back/WJ_JG_20261124_001.ok").write_bytes(control)
    async with opened(TABLE, sftp) as gateway:
        ((reply,),) = await collected(gateway)
    assert reply.delivery_id == known
    assert isinstance(reply.outcome, OutcomeUnknownError)


async def test_a_name_that_was_done_before_is_dropped_or_set_aside(sftp: SftpServer, sftp_tree: Path) -> None:
    lines = [line(uuid4())]
    put_result(sftp_tree, lines)
    async with opened(TABLE, sftp) as gateway:
        assert len(await collected(gateway)) == 1
        put_result(sftp_tree, lines)
        assert await collected(gateway) == []
        assert names(sftp_tree / "back") == names(sftp_tree / "back/quarantine") == []
        put_result(sftp_tree, [line(uuid4()), *lines])
        assert await collected(gateway) == []
        # Less content than what was done before is other content too.
        put_result(sftp_tree, [])
        assert await collected(gateway) == []
    assert len(names(sftp_tree / "back/quarantine")) == 6
    assert len(names(sftp_tree / "back/done")) == 2


async def test_a_crash_between_the_two_renames_is_cleaned_up(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    (sftp_tree / "back" / BACK_NAME).rename(sftp_tree / "back/done" / BACK_NAME)
    async with opened(TABLE, sftp) as gateway:
        assert await collected(gateway) == []
    assert names(sftp_tree / "back") == []
    assert names(sftp_tree / "back/done") == ["WJ_JG_20261124_001.ok", BACK_NAME]


async def test_a_done_name_taken_while_the_hub_committed_loses_nothing(sftp: SftpServer, sftp_tree: Path) -> None:
    content = put_result(sftp_tree, [line(uuid4())])
    async with opened(TABLE, sftp) as gateway:
        async for _ in gateway.collect():
            (sftp_tree / "back/done" / BACK_NAME).write_bytes(content)
            (sftp_tree / "back/done/WJ_JG_20261124_001.ok").write_bytes(b"another")
    assert names(sftp_tree / "back") == []
    assert "WJ_JG_20261124_001.ok" in names(sftp_tree / "back/quarantine")


async def test_a_file_over_the_budget_is_set_aside_unread(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())] * 10)
    async with opened({**TABLE, "back": {**TABLE["back"], "max_bytes": 100}}, sftp) as gateway:
        assert await collected(gateway) == []
    (reason,) = (sftp_tree / "back/quarantine").glob("*.reason.txt")
    assert reason.read_text().startswith("too_large")


async def test_one_file_that_cannot_be_put_away_does_not_hold_up_the_others(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    put_result(sftp_tree, [line(uuid4())], "WJ_JG_20261124_002.txt")
    (sftp_tree / "back/done" / BACK_NAME).mkdir()
    async with opened(TABLE, sftp) as gateway:
        files = gateway.collect()
        assert len(await anext(files)) == 1
        assert len(await anext(files)) == 1
        with pytest.raises(TemporaryError, match="refused"):
            await anext(files)
        assert names(sftp_tree / "back") == ["WJ_JG_20261124_001.ok", BACK_NAME]
        (sftp_tree / "back/done" / BACK_NAME).rmdir()
        assert len(await collected(gateway)) == 1
    assert names(sftp_tree / "back") == []


class Ghosts(SftpFiles):
    """Somebody else takes the files between the listing and the reading; one file shrinks in the listing."""

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        for page in super().pages(folder, size):
            yield [(name, 1, at) for name, _, at in page]
        yield [("WJ_JG_20261124_007.txt", 1, 0.0), ("WJ_JG_20261124_007.ok", 1, 0.0)]


async def test_a_file_that_is_gone_or_has_grown_since_the_listing_harms_nobody(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    put_result(sftp_tree, [line(uuid4())] * 10)
    put_result(sftp_tree, [], "WJ_JG_20261124_008.txt")
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = Ghosts(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts())
    table = {**TABLE, "back": {**TABLE["back"], "max_bytes": 100}}
    async with opened(table, sftp, Place(given=files)) as gateway:
        assert await collected(gateway) == [[]]
    files.close()
    assert names(sftp_tree / "back") == []
    (reason,) = (sftp_tree / "back/quarantine").glob("*.reason.txt")
    assert reason.read_text().startswith("too_large")


class Withheld(SftpFiles):
    """A server that does not hand out one of its files."""

    def read(self, path: str, max_bytes: int) -> bytes:
        if path.endswith("_001.txt"):
            raise TemporaryError("permission_denied")
        return super().read(path, max_bytes)


async def test_a_file_that_may_not_be_read_is_reported_after_the_others(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    put_result(sftp_tree, [line(uuid4())], "WJ_JG_20261124_002.txt")
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = Withheld(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts())
    async with opened(TABLE, sftp, Place(given=files)) as gateway:
        seen = gateway.collect()
        assert len(await anext(seen)) == 1
        with pytest.raises(TemporaryError, match="permission_denied"):
            await anext(seen)
    files.close()
    assert names(sftp_tree / "back/done") == ["WJ_JG_20261124_002.ok", "WJ_JG_20261124_002.txt"]


async def test_a_lost_connection_ends_the_collection_at_once(sftp: SftpServer, sftp_tree: Path) -> None:
    put_result(sftp_tree, [line(uuid4())])
    put_result(sftp_tree, [line(uuid4())], "WJ_JG_20261124_002.txt")
    async with opened(TABLE, sftp) as gateway:
        seen = gateway.collect()
        await anext(seen)
        sftp.stand_still()
        with pytest.raises(TemporaryError, match="timeout"):
            await anext(seen)
        sftp.go_on()
        assert len(await collected(gateway)) == 2


class DataFirst(SftpFiles):
    """A server whose listing shows result files before their control files, on another page."""

    def pages(self, folder: str, size: int) -> Generator[Sequence[tuple[str, int, float]], None, None]:
        found = sorted(super().list(folder, 100), key=lambda found: found[0].endswith(".ok"))
        yield from ([one] for one in found)


async def test_a_page_that_ends_between_a_file_and_its_control_file_loses_neither(
    sftp: SftpServer, sftp_tree: Path
) -> None:
    put_result(sftp_tree, [line(uuid4())])
    put_result(sftp_tree, [line(uuid4())], "WJ_JG_20261124_002.txt")
    (sftp_tree / "back/WJ_JG_20261124_002.ok").unlink()
    address = SftpAddress(host=sftp.host, port=sftp.port, username="onedoor", host_key=sftp.host_key)
    files = DataFirst(address, lambda: SftpLogin(password="onedoor"), SftpTimeouts())
    async with opened({**TABLE, "back": {**TABLE["back"], "max_files": 2}}, sftp, Place(given=files)) as gateway:
        assert len(await collected(gateway)) == 1
    files.close()
    assert names(sftp_tree / "back") == ["WJ_JG_20261124_002.txt"]


async def test_without_control_files_a_file_must_stand_still(sftp: SftpServer, sftp_tree: Path) -> None:
    back = {key: value for key, value in TABLE["back"].items() if key != "control_file"}
    place = Place()
    path = sftp_tree / "back" / BACK_NAME
    path.write_bytes(f"{line(uuid4())}\r\n".encode("gb18030"))
    async with opened({**TABLE, "back": {**back, "stable_seconds": 30}}, sftp, place) as gateway:
        assert await collected(gateway) == []
        place.ahead = 40
        path.write_bytes(path.read_bytes() + f"{line(uuid4())}".encode("gb18030"))
        assert await collected(gateway) == []
        place.ahead = 80
        # It stands still now, but its last line has no end.
        assert await collected(gateway) == []
        assert len(names(sftp_tree / "back/quarantine")) == 2
        path.write_bytes(f"{line(uuid4())}\r\n".encode("gb18030"))
        assert await collected(gateway) == []
        place.ahead = 120
        assert len(await collected(gateway)) == 1
    assert names(sftp_tree / "back/done") == [BACK_NAME]


async def test_the_departments_own_time_and_wishes_are_read(sftp: SftpServer, sftp_tree: Path) -> None:
    ids = [uuid4() for _ in range(3)]
    text = (
        "LSH,CLSJ,YWDM,JGDM,BZXM,amount,reason,found\n"
        f"{ids[0].hex},20261124083000,WJ01,20,XM;TXRQ,,,\n{ids[1].hex},,WJ02,00,,,,0\n{ids[2].hex},2026112,WJ02,00,,,,1\n"
    )
    (sftp_tree / "back" / BACK_NAME).write_bytes(text.encode("gbk"))
    (sftp_tree / "back/WJ_JG_20261124_001.flg").touch()
    async with opened(CSV_TABLE, sftp) as gateway:
        ((returned, done, broken),) = await collected(gateway)
    assert returned.outcome == Returned(reason_code="20", wanted=("XM", "TXRQ"))
    assert returned.happened_at == datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
    assert done.outcome == Completed(decision=Decision.GRANTED, fields={"found": False})
    assert (datetime.now(UTC) - done.happened_at).total_seconds() < 60
    assert isinstance(broken.outcome, OutcomeUnknownError)
