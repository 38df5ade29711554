"""The bare client: posts the same envelopes, to the mock or to the hub, over a fixed number of connections."""

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
import uvloop

NOTE = "样例 " * 250


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
    """Post ``count`` envelopes; returns the time it took, what was refused, and the monotonic time each was sent."""
    sent: dict[int, float] = {}
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
                    break

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(worker(session))
    return {"seconds": time.monotonic() - began, "began": began, "refused": refused, "sent": sent}


def main() -> None:
    """load.py URL RUN COUNT ITEM CONNECTIONS KEY [RATE]: prints one JSON object."""
    url, run, count, item, connections, key, *rate = sys.argv[1:]
    headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {key}"}
    found = uvloop.run(post(url, run, int(count), item, int(connections), headers, float(rate[0]) if rate else None))
    sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))


if __name__ == "__main__":
    main()
