"""Recordings of exchanged files and their replay, and the commands of both kinds of recording."""

import asyncio
import hashlib
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aiohttp
import paramiko
import pytest
from typer.testing import CliRunner

from adapters.file_records import exchange
from adapters.file_totals import FileFacts
from adapters.record_columns import operation_place
from simulators.cli import app
from simulators.file_department import file_drop_table
from simulators.from_contract import contract_city
from simulators.ledger import Ledger
from simulators.recording.declared import of_contract
from simulators.recording.file_replay import FileReplay
from simulators.recording.files import read_rows, record_files
from simulators.recording.made_up import Kind
from simulators.recording.sifting import Declared, Sieve
from simulators.recording.tape import RecordingRefused
from tests.file_layouts import LAYOUTS, system_with, table_of
from tests.recorder import PEOPLE, echo, found_in, running

FILES = Path(__file__).parents[1] / "contract_files"
RUN = CliRunner()
ONEDOOR = Path(sys.executable).with_name("onedoor")
WIDTHS = (36, 4, 40, 18, 8)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_folder_of_exchanged_files_comes_out_as_the_same_files_about_nobody(tmp_path: Path, fixed: bool) -> None:
    layout = tmp_path / "heating.csv"
    rows = [line.split(",") for line in (FILES / "heating.csv").read_text().splitlines()]
    layout.write_text(
        "".join(",".join(row if fixed or row[0] == "record" else [*row[:4], "", *row[5:]]) + "\n" for row in rows)
    )
    people = PEOPLE[:20]
    widths = (36, 4, 40, 18, 8)
    records = [(str(uuid4()), "GR01", one["name"], one["id_no"], "8850") for one in people]
    if fixed:
        content = b"".join(
            b"".join(cell.encode("gb18030").ljust(width) for cell, width in zip(row, widths, strict=True)) + b"\r\n"
            for row in records
        )
    else:
        content = "".join(f"{','.join(row)}\r\n" for row in [("LSH", "YWDM", "XM", "SFZH", "MJ"), *records]).encode(
            "gbk"
        )
    (tmp_path / "real" / "out").mkdir(parents=True)
    (tmp_path / "real" / "out" / "HE_20260302_01.txt").write_bytes(content)
    (tmp_path / "real" / "out" / f"{people[0]['name']}.txt").write_bytes(content)
    (tmp_path / "real" / "out" / "HE_20260302_03.txt").write_bytes(people[0]["note"].encode())
    arguments = ["record", "--files", tmp_path / "real", "--from", layout, "--out", tmp_path / "made"]
    done = RUN.invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, (done.output, done.exception)
    assert found_in(tmp_path / "made", people) == []
    made = (tmp_path / "made" / "out" / "HE_20260302_01.txt").read_bytes()
    assert made.count(b"\r\n") == content.count(b"\r\n")
    if fixed:
        assert {len(line) for line in made.splitlines()} == {sum(widths)}
    assert all(row[0].encode() in made for row in records)
    assert "rows=20" in (tmp_path / "made" / "out" / "HE_20260302_01.ok").read_text()
    assert sorted(file.name for file in (tmp_path / "made" / "out").iterdir() if file.suffix == ".txt") == [
        "HE_20260302_01.txt",
        "file-003.txt",
    ]
    assert "cannot be read by its layout" in done.output
    # What was recorded is read by the department as the real one was.
    city = contract_city([layout])
    (system,) = city.site.departments[0].systems
    again = record_files(system, tmp_path / "made", tmp_path / "again", Sieve(of_contract(layout)))
    assert [one.rows for one in again] == [20, 20]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["record", "--out", "x"], "--to ADDRESS for calls, or --files FOLDER"),
        (["record", "--out", "x", "--files", "."], "read by their layout"),
        (["record", "--out", "made", "--files", ".", "--from", "layout.csv"], "name another folder"),
        (["record", "--out", "new", "--files", "none", "--from", "layout.csv"], "is no folder"),
        (["--replay", "none.jsonl"], "cannot be read as a recording"),
        (["--replay", "layout.csv"], "cannot be read as a recording"),
        (["--replay", "other.jsonl"], "is no recording of HTTP"),
        (["--replay", "empty.jsonl"], "nothing was recorded"),
        (["--replay", "broken.jsonl"], "line 2 is no exchange"),
    ],
)
def test_what_cannot_be_recorded_or_replayed_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "layout.csv").write_bytes((FILES / "heating.csv").read_bytes())
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
    head = '{"onedoor_recording": 1, "kind": "http"}\n'
    (tmp_path / "empty.jsonl").write_text(head)
    (tmp_path / "broken.jsonl").write_text(head + "{}\n")
    found = RUN.invoke(app, arguments)
    assert said in str(found.exception)


async def test_the_commands_record_and_replay(tmp_path: Path) -> None:
    async def begun(*arguments: str | Path) -> tuple[asyncio.subprocess.Process, str]:
        process = await asyncio.create_subprocess_exec(
            ONEDOOR, "simulate", *map(str, arguments), stdout=subprocess.PIPE, env={"PYTHONUNBUFFERED": "1"}
        )
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None, line
        return process, found[0]

    async with running(echo) as url, aiohttp.ClientSession() as http:
        process, at = await begun("record", "--to", url, "--out", tmp_path / "out")
        async with http.post(f"{at}/x", json={"name": PEOPLE[0]["name"]}) as answer:
            assert (await answer.json())["name"] == PEOPLE[0]["name"]
        process.send_signal(2)
        assert await process.wait() == 0
        assert found_in(tmp_path / "out", PEOPLE[:1]) == []
        process, at = await begun("--replay", tmp_path / "out", "--folder", tmp_path / "data")
        async with http.post(f"{at}/x", json={"name": "样例"}) as answer:
            assert answer.status == 200
        process.send_signal(2)
        assert await process.wait() == 0
    assert '"arrival"' in (tmp_path / "data" / "replay.jsonl").read_text()


def layout_in(folder: Path, *, fixed: bool) -> Path:
    rows = [line.split(",") for line in (FILES / "heating.csv").read_text().splitlines()]
    kept = [row if fixed or row[0] == "record" else [*row[:4], "", *row[5:]] for row in rows]
    file = folder / "heating.csv"
    file.write_text("".join(",".join(row) + "\n" for row in kept))
    return file


def asked(references: list[str], *, fixed: bool) -> bytes:
    """A file that goes out, a record a reference."""
    people = zip(references, PEOPLE, strict=False)
    rows = [(reference, "GR01", one["name"], one["id_no"], "8850") for reference, one in people]
    if fixed:
        lines = [
            b"".join(cell.encode("gbk").ljust(width) for cell, width in zip(row, WIDTHS, strict=True)) for row in rows
        ]
        return b"".join(line + b"\r\n" for line in lines)
    return "".join(f"{','.join(row)}\r\n" for row in [("LSH", "YWDM", "XM", "SFZH", "MJ"), *rows]).encode("gbk")


def told(references: list[str], codes: list[str], *, fixed: bool) -> bytes:
    """A file that came back."""
    rows = [(one, "GR01", code, "样例合同") for one, code in zip(references, codes, strict=True)]
    if fixed:
        widths = (36, 4, 2, 20)
        lines = [
            b"".join(cell.encode("gbk").ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        return b"".join(line + b"\r\n" for line in lines)
    return "".join(f"{','.join(row)}\r\n" for row in [("LSH", "YWDM", "JGDM", "HTH"), *rows]).encode("gbk")


def control(content: bytes, rows: int) -> bytes:
    return f"rows={rows}\r\nmd5={hashlib.md5(content, usedforsecurity=False).hexdigest()}\r\n".encode()


@pytest.mark.parametrize("fixed", [True, False])
def test_recorded_files_are_answered_again_with_the_live_delivery_ids(tmp_path: Path, fixed: bool) -> None:
    layout = layout_in(tmp_path, fixed=fixed)
    real = [str(uuid4()) for _ in range(3)]
    for folder, name, content in (
        ("out", "HE_20260302_01.txt", asked(real, fixed=fixed)),
        ("back", "HE_R_20260302_01.txt", told([real[2], real[0]], ["10", "00"], fixed=fixed)),
        ("back", "HE_R_20260302_02.txt", told([real[1]], ["20"], fixed=fixed)),
    ):
        (tmp_path / "real" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "real" / folder / name).write_bytes(content)
    (system,) = contract_city([layout]).site.departments[0].systems
    record_files(system, tmp_path / "real", tmp_path / "made", Sieve(of_contract(layout)))
    live = [str(uuid4()) for _ in range(4)]
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        replay = FileReplay(system, tmp_path / "made", tmp_path / "root", ledger)
        for number, content in enumerate((asked(live, fixed=fixed), asked(live, fixed=fixed), b"rubbish"), 1):
            (tmp_path / "root" / "out" / f"HE_20260303_0{number}.txt").write_bytes(content)
            (tmp_path / "root" / "out" / f"HE_20260303_0{number}.ok").write_bytes(control(content, 4))
        replay.take()
    assert replay.strange == ["HE_20260303_02.txt", "HE_20260303_03.txt"]
    assert replay.answered == 2
    first = (tmp_path / "root" / "back" / "HE_R_20260302_01.txt").read_bytes().decode("gb18030")
    second = (tmp_path / "root" / "back" / "HE_R_20260302_02.txt").read_bytes().decode("gb18030")
    assert re.findall(r"([0-9a-f-]{36}),?GR01,?(\d\d)", first + second) == [
        (live[2], "10"),
        (live[0], "00"),
        (live[1], "20"),
    ]
    assert (tmp_path / "root" / "back" / "HE_R_20260302_01.ok").exists()
    assert not list((tmp_path / "root" / "out").iterdir())
    (tmp_path / "empty" / "out").mkdir(parents=True)
    with Ledger(tmp_path / "ledger.jsonl") as ledger, pytest.raises(RecordingRefused, match="no out/ and back/"):
        FileReplay(system, tmp_path / "empty", tmp_path / "root", ledger)


async def test_the_command_replays_files_over_sftp(tmp_path: Path) -> None:
    def exchange(port: int) -> bytes:
        with paramiko.Transport(("127.0.0.1", port)) as transport:
            transport.connect(username="onedoor", password=(tmp_path / "data" / "sftp-password").read_text())
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            content = asked(live, fixed=False)
            for name, body in (("HE_20260303_01.txt", content), ("HE_20260303_01.ok", control(content, 1))):
                with client.open(f"/out/{name}", "wb") as file:
                    file.write(body)
            until = time.monotonic() + 60
            while "HE_R_20260302_01.ok" not in client.listdir("/back"):
                assert time.monotonic() < until
                time.sleep(0.05)
            with client.open("/back/HE_R_20260302_01.txt", "rb") as file:
                return file.read()

    layout, recorded, live = layout_in(tmp_path, fixed=False), [str(uuid4())], [str(uuid4())]
    for folder, name, content in (
        ("out", "HE_20260302_01.txt", asked(recorded, fixed=False)),
        ("back", "HE_R_20260302_01.txt", told(recorded, ["00"], fixed=False)),
    ):
        (tmp_path / "made" / folder).mkdir(parents=True)
        (tmp_path / "made" / folder / name).write_bytes(content)
    (tmp_path / "made" / "files.json").write_text("[]")
    process = await asyncio.create_subprocess_exec(
        *(ONEDOOR, "simulate", "--replay", tmp_path / "made", "--from", layout, "--folder", tmp_path / "data"),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found is not None, line
    assert live[0].encode() in await asyncio.to_thread(exchange, int(found[1]))
    process.send_signal(2)
    assert await process.wait() == 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_files_of_every_layout_come_out_whole_with_their_totals_and_about_nobody(tmp_path: Path, name: str) -> None:
    system = system_with(table_of(name))
    spec = exchange(system, file_drop_table(system))
    place = operation_place(spec.table)
    people, secret = PEOPLE[:30], {"zip_password": "canary-password-5d3b"}
    asked_for = [
        (
            str(uuid4()),
            *(["1003"] if place else []),
            one["name"][:4],
            one["id_no"],
            str(120050 + number),
            "20260105",
            "1",
            "7",
        )
        for number, one in enumerate(people)
    ]
    said = [
        (row[0], *({"operation": "1003", "code": "00"}[role] for role in spec.table.back.record[1:-1] if role != "fields"), "8800", one["name"], "", "1")
        for row, one in zip(asked_for, people, strict=True)
    ]  # fmt: skip
    facts = FileFacts(at=datetime(2026, 3, 2, tzinfo=UTC), sequence=1, secret=secret.__getitem__)
    for folder, layout, rows, pattern in (
        ("out", spec.outgoing, asked_for, spec.table.out.pattern),
        ("back", spec.incoming, said, spec.table.back.pattern),
    ):
        (tmp_path / "real" / folder).mkdir(parents=True)
        content = layout.file([layout.record(row) for row in rows], facts)
        (tmp_path / "real" / folder / pattern.format(date=datetime(2026, 3, 2, tzinfo=UTC), seq=1)).write_bytes(content)
    declared = Declared(kinds={"XM": Kind.NAME, "SFZH": Kind.ID}, codes=frozenset({"00"}), names=frozenset())
    done = record_files(system, tmp_path / "real", tmp_path / "made", Sieve(declared), secret.__getitem__)
    assert [(one.folder, one.rows, one.problem) for one in done] == [("out", 30, ""), ("back", 30, "")]
    assert found_in(tmp_path / "made", [{**one, "short": one["name"][:4]} for one in people]) == []
    for folder, is_back in (("out", False), ("back", True)):
        (file,) = (
            one for one in (tmp_path / "made" / folder).iterdir() if not one.name.endswith((".ok", ".ctl", ".flg"))
        )
        rows = read_rows(spec, file.read_bytes(), is_back=is_back)
        assert [row[0] for row in rows] == [row[0] for row in asked_for]
        assert all("金丝雀" not in "".join(row) for row in rows)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        replay = FileReplay(system, tmp_path / "made", tmp_path / "root", ledger)
        assert not replay.strange
