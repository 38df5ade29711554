"""A department's secret is changed while the hub runs: no restart, and nothing is sent twice or lost meanwhile (G08)."""

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.site import load_site
from hub.app import site_folder
from simulators.made_secrets import secret, secret_names
from tests.front_door import front_door, settings_in


class Doorkeeper:
    """Lets in who has the new key only; afterwards it is not ready."""

    def __init__(self) -> None:
        self.let_in = asyncio.Event()
        self.refused = 0

    async def answer(self, request: web.Request) -> web.Response:
        """401 for another key, 503 for the right one."""
        if "the-new-one" not in request.headers.get("Authorization", ""):
            self.refused += 1
            return web.Response(status=401)
        self.let_in.set()
        return web.Response(status=503)


async def test_g08_a_secret_that_a_department_has_changed_needs_no_restart(tmp_path: Path) -> None:
    door_keeper = Doorkeeper()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", door_keeper.answer)
    async with TestServer(app) as server:
        settings = settings_in(tmp_path)
        settings.secret_folder.mkdir(parents=True)
        for department in load_site(site_folder(settings)).departments:
            for system in department.systems:
                for name in secret_names(system):
                    secret(settings.secret_folder / name)
        places = {"MZ-marriage": {"api": {"url": str(server.make_url("")).rstrip("/")}}}
        async with front_door(tmp_path, systems=places) as door:
            case_no = await door.received("civil_affairs/samples/MZ012_one_record.json", accepted=True)
            async with asyncio.timeout(30):
                while (await door.case(case_no))["deliveries"][0]["state"] != "held":  # noqa: ASYNC110 - it happens in a lane
                    await asyncio.sleep(0.05)
            tries = door_keeper.refused
            (settings.secret_folder / "mz_marriage_token").write_text("the-new-one")
            released, _ = await door.local("POST", "/admin/lanes/MZ-marriage/release", json={"by": "tester"})
            assert released == 200
            await asyncio.wait_for(door_keeper.let_in.wait(), 30)
            attempts = (await door.case(case_no))["deliveries"][0]["attempts"]
    assert tries >= 1
    assert attempts[0]["state"] == "credentials"
    assert not any(one["possible_duplicate"] for one in attempts)
