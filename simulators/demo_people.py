"""One account a role for the visitor of a demo, with a random password each: made over the hub's local socket as its command line does."""

from collections.abc import Sequence
from pathlib import Path

import aiohttp

from contracts.records import record

ROLES = {
    "counter_clerk": ("c001", "样例受理员"),
    "back_office": ("b001", "样例后台"),
    "supervisor": ("s001", "样例主管"),
    "operator": ("o001", "样例运行"),
    "auditor": ("a001", "样例审计"),
    "system_administrator": ("y001", "样例系统管理"),
    "security_administrator": ("q001", "样例安全管理"),
}
"""Login and name by role. Nobody is real."""


@record
class DemoAccount:
    """What the visitor signs in with."""

    role: str
    login: str
    password: str


async def demo_accounts(folder: Path) -> Sequence[DemoAccount]:
    """Make them; ``folder``: of the demo. Raises aiohttp.ClientError when the hub does not answer."""
    connector = aiohttp.UnixConnector(str(folder / "data" / "onedoor.sock"))
    found = []
    async with aiohttp.ClientSession(connector=connector) as http:
        for role, (login, name) in ROLES.items():
            wanted = {"login": login, "name": name, "roles": [role], "once": False}
            async with http.post("http://hub/admin/users", json=wanted) as answer:
                answer.raise_for_status()
                made = await answer.json()
            found.append(DemoAccount(role=role, login=login, password=str(made["password"])))
    return found
