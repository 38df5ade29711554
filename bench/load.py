"""The bare client: posts the same envelopes, to the mock or to the hub, over a fixed number of connections."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

NOTE = "样例 " * 250
LINES = 500
"""Cases in one bulk request."""


def envelope(run: str, serial: int, item: str) -> bytes:
    """One case of about 1.7 kB; the resident is visibly synthetic."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{run}-{serial}",
            "source": "/bench",
            "type": "org.onedoor.case.submit.v1",
            "data": {
                "item": item,
                "receiving_centre": "990000901",
                "channel": "01",
                "applicant": {
                    "name": "赵样例",
                    "id_no": "310101194002299919",
                    "mobile": "19900000001",
                    "address": "样例路1号",
                },
                "form": {"serial": serial, "note": NOTE},
                "accepted": True,
            },
        }
    )


async def post(
    url: str, run: str, count: int, item: str, connections: int, headers: Mapping[str, str], rate: float | None = None
) -> dict[str, Any]:
    """Post ``count`` envelopes; returns the time it took, what was refused, the monotonic time each was sent, and the seconds until each was taken."""
    sent: dict[int, float] = {}
    answered: list[float] = []
    refused = 0
    numbers = iter(range(count))
    began = time.monotonic()

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal refused
        for serial in numbers:
            if rate is not None:
                await asyncio.sleep(max(began + serial / rate - time.monotonic(), 0))
            body = envelope(run, serial, item)
            sent[serial] = time.monotonic()
            while True:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status in (429, 503):
                        refused += 1
                        await asyncio.sleep(0.05)
                        continue
                    answer.raise_for_status()
                    answered.append(time.monotonic() - sent[serial])
                    break

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(worker(session))
    return {"seconds": time.monotonic() - began, "began": began, "refused": refused, "sent": sent, "answered": answered}


async def post_lines(url: str, run: str, count: int, item: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Hand in ``count`` cases in bulk, ``LINES`` a request; returns how many were taken."""
    taken = 0
    starts = iter(range(0, count, LINES))

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal taken
        for start in starts:
            lines = [envelope(run, serial, item) for serial in range(start, min(start + LINES, count))]
            async with session.post(url, data=b"\n".join(lines), headers=headers) as answer:
                answer.raise_for_status()
                taken += (await answer.read()).count(b'"status":202')

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(worker(session))
    return {"taken": taken}


def main() -> None:
    """load.py FILE URL RUN COUNT ITEM CONNECTIONS KEY [RATE]: writes one JSON object to FILE. A URL that ends in /batch takes lines."""
    file, url, run, count, item, connections, key, *rate = sys.argv[1:]
    bulk = url.endswith("/batch")
    kind = "application/x-ndjson" if bulk else "application/cloudevents+json"
    headers = {"Content-Type": kind, "Authorization": f"Bearer {key}"}
    paced = float(rate[0]) if rate else None
    found = uvloop.run(
        post_lines(url, run, int(count), item, headers)
        if bulk
        else post(url, run, int(count), item, int(connections), headers, paced)
    )
    Path(file).write_bytes(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))


if __name__ == "__main__":
    main()
