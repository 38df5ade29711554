"""Runs the rows of the table whose departments exchange files: a real hub with a system for each row, each over a folder of its own on an
SFTP server, which is the simulator's or OpenSSH's."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.control_files import Item, control_content
from adapters.file_drop import make
from contracts.plugin import Department, System
from contracts.records import record
from contracts.site import ChannelFile, SystemFile
from contracts.situation import Batching, Limits, Situation
from hub.app import Hub, open_hub
from hub.store.connection import Row
from hub.systems import Registered
from tests import scripted
from tests.file_world import REWARD, TABLE
from tests.misbehaviours import OTHER, Case
from tests.small_city import SERVE, item, step

PATIENCE_SECONDS = 60.0
TOGETHER = 30
"""Rows in one hub: each keeps a connection of its own."""

OPERATION = replace(REWARD, request=(replace(REWARD.request[0], source="applicant.name"),))


@record
class Server:
    """An SFTP server that runs. ``prefix``: how its client writes the folder ``tree``. ``host_key``: the right one; ``other_key``: not."""

    host: str
    port: int
    host_key: str
    other_key: str
    username: str
    secret: str
    auth: Mapping[str, str]
    tree: Path
    prefix: str


@record
class Seen:
    """How a row ended. ``taken``: files under their final names in ``out``; ``reasons``: codes of what lies in quarantine."""

    state: str
    attempts: Sequence[Row]
    taken: Sequence[str]
    reasons: Sequence[str]
    stuck: str | None


def system_key(case: Case) -> str:
    """The system of a row."""
    return f"XX-{case.id}"


def _table(case: Case, server: Server) -> dict[str, Any]:
    """The usual table, below the row's own folder, with what the row says of it. ``None`` takes a key out."""
    root = f"{server.prefix}/{case.id}"
    usual: dict[str, Any] = {
        **TABLE,
        "out": {**TABLE["out"], "dir": f"{root}/out"},
        "back": {
            **TABLE["back"],
            "dir": f"{root}/back",
            "done_dir": f"{root}/back/done",
            "quarantine_dir": f"{root}/back/quarantine",
        },
        "timeouts": {"connect_seconds": 20, "channel_seconds": 20, "total_seconds": 40},
        "auth": dict(server.auth),
    }
    for key, value in case.table.items():
        merged = {**usual[key], **value} if isinstance(value, Mapping) and isinstance(usual.get(key), dict) else value
        usual[key] = merged
        if isinstance(merged, dict):
            usual[key] = {name: one for name, one in merged.items() if one != "none"}
    if "receipt" in usual:
        folders = {name: f"{root}/ack{more}" for name, more in _RECEIPT_FOLDERS.items()}
        usual["receipt"] = {**usual["receipt"], **folders}
    return usual


_RECEIPT_FOLDERS = {"dir": "", "done_dir": "/done", "quarantine_dir": "/quarantine"}


def _system(case: Case, server: Server) -> SystemFile:
    channel = ChannelFile(
        situation=Situation.FILE_DROP,
        resend_is_safe=case.resend_is_safe,
        batching=Batching(max_size=1, max_wait_seconds=0.05),
        limits=Limits(concurrency=1, attempt_seconds=60, reply_within_hours=1.0, collect_seconds=0.4, max_attempts=3),
        file_drop=_table(case, server),
    )
    return SystemFile(
        key=system_key(case),
        name_zh="样例系统",
        name_en="Sample system",
        result_field="JGDM",
        channels=(channel,),
        operations=(OPERATION,),
    )


def code_of(number: int) -> str:
    """The item whose only department step goes to the system of that row."""
    return f"XF{number:04d}"


def _registered(cases: Sequence[Case], server: Server) -> Registered:
    systems, items = [], []
    for number, case in enumerate(cases):
        made = _system(case, server)
        items.append(item(code_of(number), "s2", step("s2", ("s1",), made.key, "reward"), SERVE))
        systems.append(
            System(
                name=made.key,
                department="XX",
                name_zh=made.name_zh,
                name_en=made.name_en,
                operations={one.key: one for one in made.operations},
                channels=(make(made, made.channels[0]),),
            )
        )
    department = Department(code="XX", name_zh="样例", name_en="Sample", systems=systems, items=items)
    return Registered(departments=(department,), broken={})


async def play(cases: Sequence[Case], folder: Path, server: Server) -> Mapping[str, Seen]:
    """How each row ended, by id; so many rows in one hub, one hub after the other."""
    found: dict[str, Seen] = {}
    for start in range(0, len(cases), TOGETHER):
        own = folder / f"hub{start}"
        own.mkdir()
        found |= await _play(cases[start : start + TOGETHER], own, server)
    return found


async def _play(cases: Sequence[Case], folder: Path, server: Server) -> Mapping[str, Seen]:
    scripted.write_secret(folder, "sftp_password", server.secret)
    scripted.write_secret(folder, "wrong", "wrong")
    for case in cases:
        _prepare(case, server.tree / case.id)
    async with AsyncExitStack() as stack:
        places = {
            system_key(case): {"file_drop": await stack.enter_async_context(_place(case, server))} for case in cases
        }
        settings = scripted.settings(folder, systems=places, breaker_seconds=0.2)
        hub = await stack.enter_async_context(open_hub(settings, registered=_registered(cases, server)))

        async def one(number: int, case: Case) -> tuple[str, Seen]:
            mine = await scripted.submit(hub, code_of(number))
            return case.id, await _ended(hub, case, mine, server.tree / case.id)

        return dict(await asyncio.gather(*(one(number, case) for number, case in enumerate(cases))))


def _prepare(case: Case, root: Path) -> None:
    for name in ("out", "back/done", "back/quarantine", "ack/done", "ack/quarantine"):
        (root / name).mkdir(parents=True)
    for one in case.inject:
        match one.get("before"):
            case "no out folder":
                (root / "out").rmdir()
            case "out is a file":
                (root / "out").rmdir()
                (root / "out").write_bytes(b"")
            case "no back folder":
                for part in ("back/done", "back/quarantine", "back"):
                    (root / part).rmdir()
            case "every name is taken":
                for day in _days():
                    (root / "out" / f"WJ_{day}_001.txt").write_bytes(b"another file\r\n")
            case "the temporary name is a folder":
                for day in _days():
                    (root / "out" / f"WJ_{day}_001.txt.tmp").mkdir()
            case None:
                pass
            case other:
                raise AssertionError(other)


def _days() -> Sequence[str]:
    """The days of a hub that runs on the real clock, in Shanghai, around midnight."""
    now = datetime.now(UTC) + timedelta(hours=8)
    return [f"{now + timedelta(days=days):%Y%m%d}" for days in (0, 1)]


@asynccontextmanager
async def _place(case: Case, server: Server) -> AsyncIterator[dict[str, Any]]:
    """The address of a row's department."""
    usual = {"host": server.host, "port": server.port, "username": server.username, "host_key": server.host_key}
    match case.inject[0].get("door"):
        case None:
            yield usual
        case "another host key":
            yield {**usual, "host_key": server.other_key}
        case "another user":
            yield {**usual, "username": "nobody-of-that-name"}
        case "nobody listens":
            with socket.socket() as port:
                port.bind(("127.0.0.1", 0))
                number = port.getsockname()[1]
            yield {**usual, "port": number}
        case "no such host":
            yield {**usual, "host": "nowhere.invalid"}
        case str(greeting):
            talker = await asyncio.start_server(_saying(greeting), "127.0.0.1", 0)
            yield {**usual, "port": talker.sockets[0].getsockname()[1]}
            talker.close()
        case other:
            raise AssertionError(other)


def _saying(greeting: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """A server that is none: it says something, or nothing, and closes or stays."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if greeting != "silence":
                writer.write(greeting.encode())
                await writer.drain()
            if greeting == "silence":
                await reader.read()
            else:
                await asyncio.sleep(0.1)
        writer.close()

    return serve


async def _ended(hub: Hub, case: Case, case_no: str, root: Path) -> Seen:
    """Lay the row's files once ours is there, wait for the declared end, then look whether it lasts."""
    ends = case.ends

    async def sent() -> bool:
        (row,) = await scripted.rows(hub, "SELECT state FROM delivery WHERE case_no = :case", case=case_no)
        return bool(row["state"] not in ("due", "claimed", "sending"))

    laid = [one for one in case.inject if "name" in one or "receipt" in one]
    if laid:
        await scripted.until(sent, PATIENCE_SECONDS)
        (row,) = await scripted.rows(hub, "SELECT id FROM delivery WHERE case_no = :case", case=case_no)
        for one in laid:
            await asyncio.sleep(one.get("wait", 0))
            await asyncio.to_thread(_lay, one, root, row["id"])

    async def there() -> bool:
        (row,) = await scripted.rows(hub, "SELECT state, attempts FROM delivery WHERE case_no = :case", case=case_no)
        reasons = await asyncio.to_thread(_reasons, root)
        return row["state"] == ends.state and row["attempts"] >= ends.attempts and (ends.reason or "") in {*reasons, ""}

    with contextlib.suppress(TimeoutError):
        await scripted.until(there, PATIENCE_SECONDS)
    await asyncio.sleep(1.0)  # two more looks into the folder
    (row,) = await scripted.rows(hub, "SELECT * FROM delivery WHERE case_no = :case", case=case_no)
    attempts = await scripted.rows(
        hub, "SELECT state, error_code FROM attempt WHERE case_no = :case ORDER BY number", case=case_no
    )
    tasks = await scripted.rows(
        hub,
        "SELECT kind FROM task WHERE case_no = :case AND delivery = :id AND state = 'ready'",
        case=case_no,
        id=row["id"],
    )
    return Seen(
        state=row["state"],
        attempts=attempts,
        taken=_taken(root),
        reasons=_reasons(root),
        stuck=_stuck(hub, row, bool(tasks)),
    )


def _stuck(hub: Hub, row: Row, asked: bool) -> str | None:
    """Why nobody and nothing would ever go on with a delivery; None where somebody or something will."""
    goes_on = {
        "done": True,
        "returned": True,
        "waiting": row["lapsed_at"] is not None,
        "unknown": row["lapsed_at"] is not None or asked,
        "dead": asked,
        "held": hub.lanes[row["system"]].held is not None,
        "due": True,
    }
    return None if goes_on.get(row["state"], False) else f"{row['state']} with nobody to go on"


def _taken(root: Path) -> Sequence[str]:
    out = root / "out"
    return sorted(path.name for path in out.glob("*.ok")) if out.is_dir() else []


def _reasons(root: Path) -> Sequence[str]:
    notes = [*root.glob("back/quarantine/*.reason.txt"), *root.glob("ack/quarantine/*.reason.txt")]
    told = (path.read_text().split() for path in notes)
    return sorted(words[0] for words in told if words)  # one that is being written is empty


def _filled(text: str, delivery: str) -> str:
    """``@id@`` is ours, ``@other@`` nobody's, ``@line@`` a good line."""
    good = f"{delivery}|!WJ01|!00|!120050|!样例"
    return text.replace("@line@", good).replace("@id@", delivery).replace("@other@", OTHER)


def _lay(one: Mapping[str, Any], root: Path, delivery: str) -> None:
    """Put a file into the inbox as the row says. ``lines`` joined with ``eol``; ``cut``: bytes missing at the end; ``kind``: what stands
    under the name; ``control``: ``good`` of the whole content, ``none``, or items that say something else, or the text itself."""
    if "receipt" in one:
        name = next(iter(sorted((root / "out").glob("*.ok")))).stem
        (root / "ack" / one.get("as", f"{name}.ack")).write_bytes(one["receipt"].encode("latin-1"))
        return
    path = root / "back" / os.fsdecode(bytes.fromhex(one["name_hex"]) if "name_hex" in one else one["name"].encode())
    eol = one.get("eol", "\r\n")
    text = "".join(_filled(line, delivery) + eol for line in one.get("lines", ["@line@"]))
    whole = bytes.fromhex(one["head_hex"]) if "head_hex" in one else b""
    whole += text.encode(one.get("encoding", "gb18030")) + bytes.fromhex(one.get("tail_hex", ""))
    content = whole[: len(whole) - one.get("cut", 0)]
    match one.get("kind", "file"):
        case "file":
            _appear(path, content)
        case "slowly":
            path.write_bytes(content[: len(content) // 2])
        case "folder":
            path.mkdir()
        case "link":
            (root / "elsewhere").write_bytes(content)
            path.symlink_to(root / "elsewhere")
        case "pipe":
            os.mkfifo(path)
        case "nothing":
            pass
        case other:
            raise AssertionError(other)
    if "mtime" in one:
        os.utime(path, (one["mtime"], one["mtime"]))
    control = one.get("control", "good")
    if control == "none":
        return
    said = b"" if isinstance(control, Mapping) or control == "good" else control.encode("latin-1")
    if not said and control != "":
        items: tuple[Item, ...] = ("rows", "md5")
        told = dict(
            pair.split("=")
            for pair in control_content(items, name=path.name, content=whole, rows=_rows(one)).decode().split()
        )
        told |= {key: str(value) for key, value in control.items()} if isinstance(control, Mapping) else {}
        said = "".join(f"{key}={value}\r\n" for key, value in told.items()).encode()
    _appear(path.with_suffix(".ok"), said)


def _rows(one: Mapping[str, Any]) -> int:
    return sum(bool(line) for line in one.get("lines", ["@line@"]))


def _appear(path: Path, content: bytes) -> None:
    part = path.with_name(f"part-{abs(hash(path.name))}")
    part.write_bytes(content)
    part.rename(path)
