"""Work at a paper desk of a running hub: sheets printed, listed, handed out, scanned back."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from typing import Any
from uuid import uuid4

import orjson
from PIL import Image

from hub.store.connection import Connection
from tests import scanned_pages as scan
from tests.front_door import FrontDoor

SAMPLE = "education/samples/JY003_lost.json"
DEPARTMENT = "JY"


async def sheet(door: FrontDoor, sample: str = SAMPLE) -> dict[str, Any]:
    """A case with a sheet; the task of the sheet, with its case number."""
    case_no = await door.received(sample)
    for _ in range(400):
        found = [task for task in (await door.case(case_no))["tasks"] if task["kind"] == "sheet"]
        if found:
            return {**found[0], "case_no": case_no}
        await asyncio.sleep(0.02)
    raise AssertionError("no sheet was issued")


async def printed(door: FrontDoor, *tasks: dict[str, Any]) -> bytes:
    """The sheets of the tasks as one PDF, three pages each."""
    body = {"tasks": [task["sheet_no"] for task in tasks]}
    status, pdf, _ = await door.call("POST", "/v1/tasks/print", json=body)
    assert status == 200, pdf
    return bytes(pdf)


async def paper(door: FrontDoor, *tasks: dict[str, Any]) -> list[Image.Image]:
    """The first copy of each sheet, as it lies on the scanner."""
    pdf = await printed(door, *tasks)
    return [scan.rendered(pdf, page=3 * place) for place in range(len(tasks))]


async def completed(door: FrontDoor, task: dict[str, Any], **told: Any) -> tuple[int, Any]:
    """Key a sheet's result by hand."""
    keyed = {"sheet_no": task["sheet_no"], "sheet_version": 1, "result_code": "A", "id": str(uuid4()), "by": "clerk-1"}
    status, body, _ = await door.call("POST", f"/v1/tasks/{task['id']}/complete", json={**keyed, **told})
    return status, body


async def dropped(
    door: FrontDoor, pages: Sequence[Image.Image] | bytes, key: str | None = None, query: str = ""
) -> dict[str, Any]:
    """Drop pages in as one file and wait until they are read."""
    content = pages if isinstance(pages, bytes) else scan.stack(pages)
    status, body, _ = await door.call("POST", f"/v1/scans{query}", key, data=BytesIO(content))
    assert status == 202, body
    return await read_to_the_end(door, body["id"], key)


async def read_to_the_end(door: FrontDoor, scan_id: str, key: str | None = None) -> dict[str, Any]:
    """The scan once the reader is through."""
    body: dict[str, Any] = {}
    for _ in range(1500):
        status, body, _ = await door.call("GET", f"/v1/scans/{scan_id}", key)
        assert status == 200, body
        if body["state"] != "received":
            return dict(body)
        await asyncio.sleep(0.04)
    raise AssertionError(f"the scan is still being read: {body}")


def verdicts(scanned: dict[str, Any]) -> list[str]:
    """The verdict on each page."""
    return [page["verdict"] for page in scanned["found"]]


def moves(door: FrontDoor, chain: str) -> list[list[Any]]:
    """The changes on a chain of the journal, oldest first."""
    connection = Connection(door.hub.settings.data / "onedoor.db", writable=False)
    try:
        rows = connection.rows("SELECT changes FROM journal WHERE chain = :chain ORDER BY seq", {"chain": chain})
    finally:
        connection.close()
    return [change for row in rows for change in orjson.loads(row["changes"])]
