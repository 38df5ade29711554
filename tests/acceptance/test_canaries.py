"""H01, H10: two hundred canaries go every way through a running hub, then everything it has written is searched for them.

A canary is a resident whom anybody can see to be invented and whose name, numbers and address share a mark. The marks are searched
for in logs, metrics, answers, the database and its log, stored files, temporary files, keys and the anchor: raw, percent-encoded,
as JSON escapes, in hex and base64, from UTF-8 and from GB18030, and inside whatever is gzipped.

Where they may be: in what departments are sent (``files``, the sheets that a clerk holds) and in the books of senders and departments,
which are not the hub's. There they must be found, else the search would prove nothing.
"""

import asyncio
import base64
import contextlib
import gzip
import io
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stdnum.cn import ric

import tests.fast_city
from contracts.situation import Situation
from simulators.faults import Fault
from simulators.oracle.canaries import forms
from tests.fast_city import SETTINGS, FastCity, fast_city, metrics_of, short_folder

NUMBER = 200
NAME = "金丝雀样例"
MOBILE = "19977000"
ACCOUNT = "9977007700"
MARKS = (NAME, MOBILE, ACCOUNT)

OURS = ("data", "logs", "keys", "anchor", "tmp", "answers", "onedoor.toml", "metrics.txt")
"""Everything that the hub writes, and what it answered."""

THEIRS = ("files", "sheets")
"""What was sent to departments."""

ITEMS = ("DA001", "DA002", "MZ004", "MZ006", "MZ012", "WJ002", "WJ003", "WJ004", "JY003", "JY004", "CL001")
"""API (at once, by callback, by polling, REST and SOAP), files, paper, steps at the centre, a join."""


class Flock:
    """The canaries, one after the other."""

    def __init__(self) -> None:
        self.flown = 0
        self.numbers: set[str] = set()

    def fill(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A sample's data with the next canary in place of its applicant."""
        self.flown += 1
        number = self.flown
        applicant = dict(data["applicant"])
        body = f"{applicant['id_no'][:14]}{number * 2 + int(applicant['id_no'][16]) % 2:03d}"
        self.numbers.add(body[:14])
        applicant |= {
            "name": f"{NAME}{number:03d}" if number % 2 else f"{NAME}䶮{number:03d}",
            "id_no": body + ric.calc_check_digit(f"{body}0"),
            "mobile": f"{MOBILE}{number:03d}",
            "address": f"徐汇区{NAME}路{number}号",
        }
        form = dict(data["form"])
        if "account_name" in form:
            form["account_name"] = applicant["name"]
        return {**data, "applicant": applicant, "form": form}

    def word(self) -> str:
        """Name, numbers and address of the next canary in one text."""
        self.flown += 1
        return f"{NAME}{self.flown:03d} {MOBILE}{self.flown:03d} {ACCOUNT}{self.flown:06d}"


async def _cases(city: FastCity, flock: Flock) -> None:
    """Whole cases on every way; one name that the file of its department cannot carry, so that its delivery ends dead."""
    for turn in range(6):
        for item in ITEMS:
            sample = city.samples[item]["data"]
            data = flock.fill(sample)
            if item == "WJ002" and turn == 0:
                data["applicant"]["name"] = f"{NAME}|!二"
                data["form"] |= dict.fromkeys(data["form"].keys() & {"account_name"}, f"{NAME}|!二")
            message = f"{item}-canary-{turn}"
            city.cases[message] = asyncio.create_task(city.counter.submit(message, data))
    await city.all_acknowledged()


async def _refused(city: FastCity, flock: Flock, http: aiohttp.ClientSession, answers: Path) -> None:
    """What is wrong, garbled, too large, from nobody, to nowhere; every answer is kept."""
    url = city.world.hub.url
    key = {"Authorization": f"Bearer {await city.world.key()}"}
    structured = {"Content-Type": "application/cloudevents+json"}
    sample = city.samples["MZ004"]
    number = 0

    async def ask(method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        nonlocal number
        number += 1
        async with http.request(method, url + path, headers=headers, data=io.BytesIO(body)) as answer:
            found = f"{answer.status} {dict(answer.headers)}\n".encode() + await answer.read()
            await asyncio.to_thread((answers / f"{number:03d}.txt").write_bytes, found)

    while flock.flown < NUMBER:
        word = flock.word()
        wrong = {**sample, "id": f"wrong-{number}", "data": flock.fill(sample["data"])}
        wrong["data"]["applicant"]["id_no"] = f"{ACCOUNT}12345678"
        wrong["data"]["applicant"]["mobile"] = word
        wrong["data"]["form"][word] = word
        utf8, gbk = word.encode(), word.encode("gb18030")
        await ask("POST", "/v1/cases", {**key, **structured}, json.dumps(wrong).encode())
        await ask("POST", "/v1/cases", {**key, **structured}, b'{"data": "' + gbk)
        await ask("POST", "/v1/cases", {**key, "Content-Type": "text/plain"}, utf8)
        await ask("POST", "/v1/cases", {**structured, "Authorization": f"Bearer {ACCOUNT}1"}, utf8)
        await ask("POST", "/v1/cases/batch", {**key, "Content-Type": "application/x-ndjson"}, utf8 + b"\n" + gbk)
        await ask("POST", f"/v1/cases/{MOBILE}{number}/events", {**key, **structured}, utf8)
        await ask("GET", f"/v1/cases/{MOBILE}{number}?name={ACCOUNT}", key, b"")
        await ask("GET", f"/{ACCOUNT}/{number}", {}, b"")
        await ask("POST", f"/v1/callbacks/MZ-marriage?x={ACCOUNT}", {"Content-Type": "application/json"}, utf8)
        await ask("POST", "/v1/callbacks/CL-service", {"Content-Type": "text/xml"}, b"<a>" + gbk)
        await ask("POST", f"/v1/tasks/{MOBILE}/complete", {**key, "Content-Type": "application/json"}, utf8)
        await ask(
            "POST",
            "/v1/materials",
            {**key, "Content-Type": "application/pdf"},
            b"%PDF-1.7 " + utf8 + gzip.compress(gbk),
        )
        await ask("POST", "/v1/cases", {**key, **structured}, utf8 * 30_000)


def patterns(marks: Iterator[str]) -> dict[str, bytes]:
    """Every form of every mark."""
    found = {}
    for mark in marks:
        for name, content in forms(mark).items():
            found[f"{mark} {name}"] = content
            if "base64" in name:
                found[f"{mark} {name} url"] = content.replace(b"+", b"-").replace(b"/", b"_")
    return {name: content for name, content in found.items() if len(content) >= 6}


def inside(content: bytes) -> Iterator[bytes]:
    """The content, and whatever is gzipped in it."""
    yield content
    place = content.find(b"\x1f\x8b\x08")
    while place >= 0:
        unpacked = b""
        with contextlib.suppress(zlib.error):
            unpacked = zlib.decompressobj(wbits=31).decompress(content[place:], 1 << 26)
        if unpacked:
            yield from inside(unpacked)
        place = content.find(b"\x1f\x8b\x08", place + 1)


def search(folder: Path, places: tuple[str, ...], wanted: Mapping[str, bytes]) -> tuple[list[str], int]:
    """Where which mark was found in which form, and how many files were looked through."""
    found, looked = [], 0
    for place in places:
        paths = [folder / place] if (folder / place).is_file() else (folder / place).glob("**/*")
        for path in paths:
            if path.is_file():
                looked += 1
                for content in inside(path.read_bytes()):
                    found += [f"{path.relative_to(folder)}: {name}" for name, form in wanted.items() if form in content]
            found += [f"name of {path.name}" for form in wanted.values() if form in path.name.encode()]
    return found, looked


def secrets_of(folder: Path) -> dict[str, bytes]:
    """The master key, the secrets of departments and the key of a sender, raw and in base64."""
    found: dict[str, bytes] = {}
    for path in [*(folder / "keys").rglob("*"), folder / "client.key"]:
        if path.is_file():
            text = path.read_bytes().strip().removeprefix(b"demo:")
            found[path.name] = text
            found[f"{path.name} base64"] = base64.b64encode(text).rstrip(b"=")
    return {name: text for name, text in found.items() if len(text) >= 8}


def _process(pid: int) -> Iterator[tuple[str, bytes]]:
    for name in ("environ", "cmdline"):
        yield name, Path(f"/proc/{pid}/{name}").read_bytes()


@pytest.mark.timeout(600)
async def test_two_hundred_canaries_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.fast_city, "DEPARTMENTS", (*tests.fast_city.DEPARTMENTS, "disabled"))
    monkeypatch.setattr(tests.fast_city, "ITEMS", (*tests.fast_city.ITEMS, "CL001"))
    faults = {
        Situation.API: {Fault.ERROR_AFTER_EFFECT_500: 0.1, Fault.LOST_REPLY: 0.05, Fault.DUPLICATE_REPLY: 0.1},
        Situation.FILE_DROP: {Fault.TRUNCATED_FILE: 0.1, Fault.DUPLICATE_REPLY: 0.1},
    }
    flock = Flock()
    with short_folder() as folder:
        for name in ("tmp", "answers"):
            (folder / name).mkdir()
        monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
        settings = {**SETTINGS, "archive_after_days": 30}
        async with fast_city(folder, faults=faults, settings=settings) as city, aiohttp.ClientSession() as http:
            await _cases(city, flock)
            await _refused(city, flock, http, folder / "answers")
            await city.world.settled(180)
            await metrics_of(city)
            secrets = secrets_of(folder)
            shown = list(_process(city.world.hub.pid))
            assert await city.world.hub.stop() == 0
        assert flock.flown >= NUMBER
        wanted = patterns(iter((*MARKS, *flock.numbers)))
        found, looked = search(folder, OURS, wanted)
        assert found == []
        # The search would prove nothing if the canaries had gone nowhere, or could not be found where they are.
        assert looked > 100
        control, _ = search(folder, THEIRS, wanted)
        assert {line.partition("/")[0] for line in control} >= {"files"}
        assert any("gb18030" in line for line in control)
        with closing(sqlite3.connect(folder / "data" / "onedoor.db")) as raw:
            ways = {row[0] for row in raw.execute("SELECT DISTINCT situation FROM attempt")}
            ((dead,),) = raw.execute("SELECT count(*) FROM journal WHERE changes LIKE ?", ('%"dead"%',))
        assert (ways, dead > 0) == ({"api", "file_drop", "paper"}, True)
        ledgers = "".join(path.read_text() for path in (folder / "ledgers").glob("*.jsonl"))
        assert all(system in ledgers for system in ("DA-archive", "MZ-marriage", "WJ-family", "CL-"))
        # Nor is any secret where a neighbour on the machine, a page or a log could show it.
        open_to_see = [*shown, *((path.name, path.read_bytes()) for path in (folder / "answers").iterdir())]
        open_to_see += [(name, (folder / name).read_bytes()) for name in ("metrics.txt", "onedoor.toml")]
        open_to_see += [(path.name, path.read_bytes()) for path in (folder / "logs").rglob("*") if path.is_file()]
        assert len(secrets) > 5
        assert [
            (place, name) for place, content in open_to_see for name, text in secrets.items() if text in content
        ] == []


def test_the_search_finds_a_canary_in_every_form(tmp_path: Path) -> None:
    wanted = patterns(iter(MARKS))
    (tmp_path / "logs").mkdir()
    hidden = {
        "raw": f"x{NAME}001y".encode(),
        "gbk": f"x{NAME}001y".encode("gb18030"),
        "base64": base64.b64encode(f"xy{NAME}001".encode()),
        "url base64": base64.urlsafe_b64encode(f"x{NAME}001".encode("gb18030")),
        "hex": f"a{NAME}".encode().hex().upper().encode(),
        "json": json.dumps(NAME).encode(),
        "gzip": b"head" + gzip.compress(f"{MOBILE}001".encode()) + b"tail",
        "gzip in gzip": gzip.compress(gzip.compress(f"{ACCOUNT}001".encode("gb18030"))),
    }
    for name, content in hidden.items():
        (tmp_path / "logs" / name).write_bytes(content)
    found, looked = search(tmp_path, ("logs",), wanted)
    assert looked == len(hidden)
    assert {line.partition(":")[0] for line in found} == {f"logs/{name}" for name in hidden}
