"""One trace from the counter to the department: over HTTP in the header of the standard, elsewhere on the page of the case."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.site import load_site
from hub.app import site_folder
from simulators.made_secrets import secret, secret_names
from tests.front_door import STRUCTURED, FrontDoor, front_door, message, settings_in

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Department:
    """Takes down the headers of everything it is sent, and is never ready."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.Response:
        """503, after a note."""
        if "traceparent" in request.headers:
            await self.received.put((request.headers["traceparent"], (await request.read()).decode("utf-8", "replace")))
        return web.Response(status=503)


@pytest.mark.parametrize(
    ("system", "sample"),
    [("DA-archive", "archives/samples/DA001_marriage.json"), ("CL-service", "disabled/samples/CL003_wheelchair.json")],
    ids=["rest", "soap"],
)
async def test_a_department_gets_the_trace_of_the_message_and_a_span_for_each_try(
    tmp_path: Path, system: str, sample: str
) -> None:
    department = Department()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", department.answer)
    async with TestServer(app) as server:
        places = {system: {"api": {"url": str(server.make_url("/")).rstrip("/")}}}
        settings = settings_in(tmp_path)
        settings.secret_folder.mkdir(parents=True)
        for one in load_site(site_folder(settings)).departments:
            for declared in one.systems:
                for name in secret_names(declared):
                    secret(settings.secret_folder / name)
        async with front_door(tmp_path, systems=places, retry={"first_seconds": 0.1, "cap_seconds": 0.1}) as door:
            case_no = await handed_in(door, sample)
            first, _ = await asyncio.wait_for(department.received.get(), 30)
            second, _ = await asyncio.wait_for(department.received.get(), 30)
            assert (await door.case(case_no))["trace_id"] == TRACE
    assert first.startswith(f"00-{TRACE}-")
    assert second.startswith(f"00-{TRACE}-")
    assert len({PARENT, first, second}) == 3


async def handed_in(door: FrontDoor, sample: str) -> str:
    headers = {"Content-Type": STRUCTURED, "traceparent": PARENT}
    document = message(sample, accepted=True)
    status, body, _ = await door.call("POST", "/v1/cases", None, headers, json=document)
    assert status == 202, body
    # Sent again within another request, it is the same message.
    headers["traceparent"] = PARENT.replace("00f067aa", "11f067aa")
    status, again, _ = await door.call("POST", "/v1/cases", None, headers, json=document)
    assert (status, again["duplicate"]) == (202, True)
    return str(body["case_no"])


async def test_a_case_without_a_trace_begins_one_that_says_nothing_of_it(tmp_path: Path) -> None:
    async with front_door(tmp_path) as door:
        first, second = [(await door.case(await door.received()))["trace_id"] for _ in range(2)]
    assert first != second
    assert int(first, 16) > 0
