"""Pages with 100,000 open tasks beside the same pages of a hub with one page of them: part of `make bench`.

Both hubs run in this process, over HTTP, and take turns, so that whatever else the machine does meets both. Both show the same number of
rows; a page may take twice the time of its twin (200 ms beside 100 ms). The figures go to docs/results/pages.json; exit code 1 when a bound fails.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from contracts.envelope import CASE_TYPE
from hub import people, sign_in
from hub.app import Hub, open_hub
from hub.clients import Client, Scope
from hub.cloud_events import read_structured
from hub.intake import submit
from hub.keys import write_key
from hub.people import NewAccount, Role
from hub.settings import load_settings
from hub.store.connection import Connection
from hub.web.server import serving
from hub.worklist import PAGE

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "pages.json"
TASKS = int(os.environ.get("BENCH_TASKS", "100000"))
ROUNDS = int(os.environ.get("BENCH_PAGE_ROUNDS", "25"))
BOUND = 2.0
SAMPLE = Path(__file__).resolve().parents[1] / "plugins/education/samples/JY003_lost.json"
SENDER = Client(id="bench", name="bench", scope=Scope(), created_at=0)


@dataclass
class Side:
    """A hub with its pages and a person who has signed in."""

    hub: Hub
    url: str
    http: aiohttp.ClientSession
    task: str = ""
    case_no: str = ""


async def opened(stack: AsyncExitStack, folder: Path) -> Side:
    """A hub over the sample city, one case, one supervisor who sees all centres: the dearest list."""
    settings = load_settings(
        None,
        data=folder / "data",
        port=0,
        clock={"start": "2026-03-02T01:00:00Z"},
        sign_in={"loopback_http": True, "second_factor": "optional"},
    )
    settings.key_file.parent.mkdir(parents=True)
    write_key(settings.key_file)
    hub = await stack.enter_async_context(open_hub(settings))
    port = await stack.enter_async_context(serving(hub))
    wanted = NewAccount(login="bench", name="样例", roles=frozenset({Role.SUPERVISOR}), change_password=False)
    await hub.writer.run(lambda c: people.create(c, hub.city.journal, hub.keys, wanted, hub.now_ms(), "bench"))
    cookies = {"onedoor-session": (await sign_in.again(hub, "bench")).token}
    http = await stack.enter_async_context(
        aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True))
    )
    side = Side(hub=hub, url=f"http://127.0.0.1:{port}", http=http)
    document = json.loads(await asyncio.to_thread(SAMPLE.read_text, encoding="utf-8"))
    document |= {"id": str(uuid4()), "type": CASE_TYPE}
    side.case_no = (await submit(hub, SENDER, read_structured(json.dumps(document).encode()))).case_no
    while not side.task:
        row = await hub.read(lambda c: c.row("SELECT id FROM task WHERE kind = 'sheet'"))
        side.task = row["id"] if row else ""
        await asyncio.sleep(0.05)
    return side


def filled(connection: Connection, wanted: int) -> None:
    """The case, its sheet and its task, as often as wanted, over a hundred centres and dates."""
    centres = [row["centre"] for row in connection.rows("SELECT DISTINCT centre FROM task")]
    case = connection.row("SELECT * FROM case_file")
    task = connection.row("SELECT * FROM task WHERE kind = 'sheet'")
    sheet = connection.row("SELECT * FROM sheet")
    assert case is not None
    assert task is not None
    assert sheet is not None
    cases: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    sheets: list[dict[str, Any]] = []
    for number in range(wanted):
        case_no, sheet_no, delivery = f"{number:024d}", f"B{number:011d}", f"bench-{number}"
        due_at = (task["due_at"] or 0) + number % 40 * 86_400_000
        cases.append({**case, "case_no": case_no, "due_at": due_at})
        sheets.append({**sheet, "number": sheet_no, "delivery": delivery, "case_no": case_no})
        fresh = {"id": f"bench-{number:012d}", "case_no": case_no, "delivery": delivery, "sheet_no": sheet_no}
        tasks.append({**task, **fresh, "centre": centres[number % len(centres)], "due_at": due_at})
    for table, rows in (("case_file", cases), ("sheet", sheets), ("task", tasks)):
        connection.insert_many(table, rows)


PAGES = {
    "worklist, ready": "/tasks",
    "worklist, mine": "/tasks?tab=mine",
    "worklist, to confirm": "/tasks?tab=confirm",
    "worklist, returned": "/tasks?tab=returned",
    "worklist, a later page": "/tasks?after=1774281599000.bench-000000000000",
    "worklist, one department": "/tasks?system=JY-office",
    "search by initials": "/tasks?q=ZYL",
    "a task": "/tasks/{task}",
    "a case": "/cases/{case_no}",
    "account": "/account",
}


async def timed(side: Side, path: str) -> float:
    """Seconds for one page."""
    began = time.perf_counter()
    async with side.http.get(side.url + path.format(task=side.task, case_no=side.case_no)) as answer:
        body = await answer.read()
        assert answer.status == 200, (path, answer.status)
        assert re.search(rb"<main", body)
    return time.perf_counter() - began


async def measured(folder: Path) -> dict[str, dict[str, float]]:
    """Medians in milliseconds, page by page, and their ratio."""
    async with AsyncExitStack() as stack:
        empty = await opened(stack, folder / "empty")
        full = await opened(stack, folder / "full")
        await empty.hub.writer.run(lambda connection: filled(connection, PAGE * 2))
        await full.hub.writer.run(lambda connection: filled(connection, TASKS))
        found = {}
        for name, path in PAGES.items():
            times: dict[str, list[float]] = {"empty": [], "full": []}
            for _ in range(ROUNDS):
                times["empty"].append(await timed(empty, path))
                times["full"].append(await timed(full, path))
            one = {side: statistics.median(seconds) * 1000 for side, seconds in times.items()}
            found[name] = {"few_ms": one["empty"], "many_ms": one["full"], "ratio": one["full"] / one["empty"]}
        return found


def main() -> int:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder)))
    print(f"pages with {TASKS} open tasks beside {PAGE * 2} of them (bound: {BOUND:g} times)")
    for name, one in found.items():
        verdict = "holds" if one["ratio"] <= BOUND else "FAILS"
        print(f"  {name:26} {one['few_ms']:7.1f} ms {one['many_ms']:7.1f} ms {one['ratio']:6.2f}  {verdict}")
    rounded = {name: {key: round(value, 2) for key, value in one.items()} for name, one in found.items()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"tasks": TASKS, "bound": BOUND, "pages": rounded}, indent=2, ensure_ascii=False) + "\n"
    )
    return 0 if all(one["ratio"] <= BOUND for one in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
