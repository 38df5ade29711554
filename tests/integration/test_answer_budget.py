"""B16: an answer that unpacks to a hundred megabytes costs no more memory than the budget allows, in whatever way it is packed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = """
import asyncio, json, resource, sys, zlib
sys.path.append(sys.argv[1])
from adapters.http_client import open_http
from contracts.errors import DeliveryError
from contracts.plugin import HttpRequest
from tests.rest_world import ScriptedServer, http_answer

def packed(wbits):
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()

async def flood(_reader, writer):
    writer.write(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    for _ in range(100):
        writer.write(b"10000\\r\\n" + b" " * 65536 + b"\\r\\n")
        await writer.drain()

BOMBS = {
    "gzip": http_answer(packed(31), "200 OK", "Content-Encoding: gzip"),
    "deflate": http_answer(packed(15), "200 OK", "Content-Encoding: deflate"),
    "br": http_answer(bytes(200_000), "200 OK", "Content-Encoding: br"),
    "zstd": http_answer(bytes(200_000), "200 OK", "Content-Encoding: zstd"),
    "chunks": flood,
}

async def main():
    found = {}
    async with open_http() as http:
        async def get(script):
            async with ScriptedServer(lambda _: script).serving() as server:
                try:
                    await http.send(HttpRequest(method="POST", url=server.url, headers={}, body=b"", connect_seconds=9,
                                                total_seconds=60, max_bytes=4_000_000))
                except DeliveryError as error:
                    return error.code
                return "taken"
        assert await get(http_answer(b" " * 100_000)) == "taken"
        for name, bomb in BOMBS.items():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            code = await get(bomb)
            found[name] = [code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[str, int]]:
    """Error code and kilobytes of growth by way of packing, measured in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(ROOT)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, tuple[str, int]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gzip", "answer_too_large"),
        ("deflate", "answer_encoding"),
        ("br", "answer_encoding"),
        ("zstd", "answer_encoding"),
        ("chunks", "answer_too_large"),
    ],
)
def test_a_bomb_stops_at_the_budget(name: str, code: str, told: dict[str, tuple[str, int]]) -> None:
    assert told[name][0] == code
    assert told[name][1] <= 16 * 1024
