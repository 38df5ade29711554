"""SOAP calls through the adapter beside a client that sends an envelope built by hand: the same bytes to the same mock, in the same minutes.

The hand-built client formats a string and looks for two elements of the answer; the adapter maps the fields, builds the message from the
WSDL, holds the answer against the WSDL, and proves whose it is. A B A B, medians. Then a locked WSDL with hundreds of schemas is read, the first
time and from memory. The figures go to docs/results/soap-calls.json. Exit code 1 when one is beyond its bound.

    python bench/soap_calls.py
"""

import asyncio
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from lxml import etree
from pydantic import JsonValue

from adapters import soap
from adapters.soap import SoapGateway
from adapters.soap_table import SoapTable
from adapters.soap_wsdl import bundle_of, read_port
from contracts.delivery import Completed, Delivery
from contracts.site import SystemFile, load_site
from hub.runtime import RealRuntime

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "soap-calls.json"
CALLS = int(os.environ.get("BENCH_SOAP_CALLS", "1500"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
AT_ONCE = 8
BOUND = 0.25
"""An adapter that maps, checks and proves may cost four times what a format string costs."""

FOLDER = Path(str(files("plugins"))) / "police"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def system() -> SystemFile:
    """The residence system of the sample city, reached without credentials."""
    site = load_site(FOLDER.parent)
    found = next(one for department in site.departments for one in department.systems if one.key == "GA-residence")
    spoken = next(channel for channel in found.channels if channel.soap is not None)
    return replace(found, channels=(replace(spoken, soap={**(spoken.soap or {}), "auth": {"kind": "none"}}),))


def delivery(of: SystemFile) -> Delivery:
    """One to its first check, with a value in each field."""
    operation = next(one for one in of.operations if one.key == "permit_check")
    values: dict[str, JsonValue] = {
        "date": "1960-01-31",
        "month": "2026-01",
        "int": 3,
        "bool": True,
        "money": 1200.5,
        "decimal": 1.5,
        "codes": ["1"],
    }
    return Delivery(
        id=uuid4(),
        system=of.key,
        operation=operation.key,
        round=1,
        case_no="C1",
        item="X001",
        item_version=1,
        step="s1",
        centre="Z1",
        attempt=1,
        send_before=datetime.now(UTC) + timedelta(hours=1),
        fields={
            field.name: values.get(field.type, "样例一")
            for field in operation.request
            if field.type not in {"table", "object"}
        },
    )


async def serve(port: int, answer: bytes) -> None:
    """The mock: reads a request, answers with its reference."""
    mark = re.compile(rb"LSH>([0-9a-f-]{36})<")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            found = mark.search(body)
            said = answer.replace(b"@id@", found[1] if found else b"")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    async with await asyncio.start_server(talk, "127.0.0.1", port):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def an_answer(of: SystemFile) -> bytes:
    """What the department says, with a mark for the reference."""
    table = SoapTable.model_validate(dict(of.channels[0].soap or {}))
    namespace = ENVELOPE if table.soap_version == "1.1" else "http://www.w3.org/2003/05/soap-envelope"
    root = etree.Element(f"{{{namespace}}}Envelope")
    body = etree.SubElement(root, f"{{{namespace}}}Body")
    read_port(bundle_of(FOLDER, table.wsdl), table).reply("PermitCheck", {"LSH": "@id@", of.result_field: "1"}, body)
    said: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return said


async def through_adapter(gateway: SoapGateway, one: Delivery) -> None:
    """One call of ours."""
    outcome = await gateway.deliver(replace(one, id=uuid4()))
    assert isinstance(outcome, Completed)


async def by_hand(http: aiohttp.ClientSession, url: str, template: str) -> None:
    """One call of somebody who knows what the answer will be."""
    name = str(uuid4())
    headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
    async with http.post(url, data=template.replace("@id@", name).encode(), headers=headers) as answer:
        root = etree.fromstring(await answer.read())
    texts = {etree.QName(node).localname: node.text for node in root.iter(etree.Element)}
    assert (texts["LSH"], texts["JGDM"]) == (name, "1")


async def rate(call: Callable[[], Awaitable[None]]) -> float:
    """Calls a second of this process's processor, several at once: what others do on the machine does not count."""
    left = iter(range(CALLS))

    async def worker() -> None:
        for _ in left:
            await call()

    began = time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return CALLS / (time.process_time() - began)


async def measure(url: str) -> dict[str, Any]:
    """Both in turn."""
    of = system()
    channel, one = soap.make(of, of.channels[0], folder=FOLDER), delivery(of)
    runtime = RealRuntime(Path(tempfile.gettempdir()))
    hand, ours = [], []
    async with channel.open({"url": url}, runtime) as gateway, aiohttp.ClientSession() as http:
        assert isinstance(gateway, SoapGateway)
        template = gateway.prepare(one).decode().replace(str(one.id), "@id@")
        for turn in range(ROUNDS):
            hand.append(await rate(lambda: by_hand(http, url, template)))
            ours.append(await rate(lambda: through_adapter(gateway, one)))
            print(f"  round {turn + 1}: by hand {hand[-1]:.0f}/s, adapter {ours[-1]:.0f}/s", flush=True)
    runtime.close()
    ratio = statistics.median(mine / bare for mine, bare in zip(ours, hand, strict=True))
    return {
        "by_hand": round(statistics.median(hand)),
        "adapter": round(statistics.median(ours)),
        "ratio": round(ratio, 3),
        "bound": BOUND,
    }


def large_set(folder: Path) -> dict[str, Any]:
    """A locked set of hundreds of schemas: seconds of the processor until it can be used, the first time and from memory."""
    sys.path.append(str(ROOT))
    from tests.wsdl_sets import write_set  # noqa: PLC0415 - the checkout is on the path only now

    source = write_set(folder / "there", 1)
    lock = [
        str(Path(sys.executable).with_name("onedoor")),
        "wsdl",
        "lock",
        str(source),
        "--folder",
        str(folder),
        "--json",
    ]
    told = json.loads(subprocess.run(lock, capture_output=True, check=True).stdout)
    table, seconds = SoapTable(wsdl="registry.wsdl"), []
    for _ in range(2):
        began = time.process_time()
        read_port(bundle_of(folder, "registry.wsdl"), table)
        seconds.append(time.process_time() - began)
    return {"files": told["files"], "first_seconds": round(seconds[0], 3), "again_seconds": round(seconds[1], 3)}


def said(name: str, value: float, bound: float, *, at_most: bool = False) -> bool:
    """Print a figure with its bound; whether it holds."""
    holds = value <= bound if at_most else value >= bound
    print(
        f"  {'ok  ' if holds else 'FAIL'} {name}: {value:.2f} (wanted {'<=' if at_most else '>='} {bound:g})",
        flush=True,
    )
    return holds


async def main() -> bool:
    """Start the mock in a process of its own, measure, write the figures."""
    mock = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert mock.stdin is not None
    assert mock.stdout is not None
    try:
        port = int((await mock.stdout.readline()).decode())
        assert (await mock.stdout.readline()) == b"ready\n"
        print("SOAP calls beside an envelope built by hand", flush=True)
        figures = await measure(f"http://127.0.0.1:{port}")
    finally:
        mock.terminate()
        await mock.wait()
    print("a WSDL with hundreds of schemas", flush=True)
    with tempfile.TemporaryDirectory(prefix="onedoor-bench-") as folder:
        figures["large_wsdl"] = loaded = large_set(Path(folder))
    figures["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    good = said("soap_calls_to_hand_built", figures["ratio"], BOUND)
    good &= said("large_wsdl_seconds", loaded["first_seconds"], 10, at_most=True)
    good &= said("large_wsdl_again_to_first", loaded["again_seconds"] / loaded["first_seconds"], 0.5, at_most=True)
    return good


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        print(free, flush=True)
        asyncio.run(serve(free, an_answer(system())))
    else:
        raise SystemExit(0 if asyncio.run(main()) else 1)
