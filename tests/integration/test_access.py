"""Who reaches what (D11): every route for staff x role x centre x department, made from the policy table and held against the running hub."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.people import CASEWORK, Role
from hub.web.policy import POLICIES, Policy, Reach, Who
from tests.front_door import OTHER, XUHUI
from tests.integration.test_every_route import filled
from tests.integration.test_worklist import sheet_task
from tests.page_door import Browser, PageDoor, page_door

OWN, FOREIGN = "JY", "MZ"
SCOPES = {
    "all": {},
    "own": {"centres": [XUHUI], "departments": [OWN]},
    "other centre": {"centres": [OTHER]},
    "other department": {"departments": [FOREIGN]},
    "other both": {"centres": [OTHER], "departments": [FOREIGN]},
}
REACHED = frozenset({"all", "own"})


@dataclass
class Object:
    """The one case, task and sheet that everybody asks for."""

    case_no: str
    task: str
    sheet: str

    def path(self, route: str) -> str:
        """The address of a route for this object."""
        values = {"{case_no}": self.case_no, "{id}": self.task, "{login}": "x001"}
        for name, value in values.items():
            route = route.replace(name, value)
        return route


def declared(policy: Policy, role: Role, scope: str) -> str:
    """What the table says: ``role`` refused, ``foreign`` (not there), or ``open``."""
    if policy.roles and role not in policy.roles:
        return "role"
    if policy.reach in (Reach.TASK, Reach.CASE) and scope not in REACHED:
        return "foreign"
    return "open"


BODIES = {
    "POST /scan": "code",
    "POST /tasks/claim": "one",
    "POST /tasks/release": "one",
    "POST /tasks/assign": "one",
    "POST /tasks/print": "one",
}
"""Routes that name their object in the form."""

MANY = frozenset({"POST /tasks/claim", "POST /tasks/release", "POST /tasks/assign"})
"""Routes for many objects list what was refused; a foreign one is listed as not there."""


def staff_routes() -> list[tuple[str, Policy]]:
    """The routes whose policy names roles. What everybody who is signed in may call is the own account alone."""
    return [(route, policy) for route, policy in POLICIES.items() if policy.who is Who.STAFF and policy.roles]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


async def answered(browser: Browser, route: str, thing: Object, form: str) -> str:
    """What the hub says: ``role``, ``foreign`` or ``open``."""
    method, path = route.split(" ")
    if method == "GET":
        page = await browser.get(thing.path(path))
    else:
        field = BODIES.get(route)
        fields = {field: thing.sheet if field == "code" else thing.task} if field else {}
        fields |= {
            "POST /tasks/assign": {"to": "x001"},
            "POST /cases/{case_no}/reveal": {"path": "applicant.id_no"},
        }.get(route, {})
        page = await browser.post(thing.path(path), form=form, **fields)
    if page.status == 403:
        return "role"
    if page.status == 404 or (route in MANY and page.status == 409 and "这里没有此任务" in page.text):
        return "foreign"
    return "open" if page.status < 500 else f"status {page.status}"


async def test_every_role_centre_and_department_reaches_what_the_table_says_and_nothing_else(pages: PageDoor) -> None:
    made = await sheet_task(pages)
    thing = Object(case_no=made["case_no"], task=made["id"], sheet=made["sheet_no"])
    await pages.person("x001", Role.BACK_OFFICE)
    wrong = []
    asked = 0
    for number, role in enumerate(Role):
        for place, scope in SCOPES.items():
            login = f"r{number}.{place.replace(' ', '-')}"
            browser = await pages.insider(login, role, **scope)
            form = (await browser.get("/account")).form
            for route, policy in staff_routes():
                if route.startswith("POST /people"):
                    continue  # they end the sessions of others: the next test asks them
                if route.split(" ")[1] not in PATHS:
                    continue  # a page group of its own has a test of its own
                told, said = declared(policy, role, place), await answered(browser, route, thing, form)
                asked += 1
                if told != said:
                    wrong.append(f"{route} for {role} in {place}: declared {told}, answered {said}")
    assert wrong == []
    assert asked >= len(Role) * len(SCOPES) * 12


PATHS = frozenset(
    route.split(" ")[1]
    for route in POLICIES
    if f"{route.split(' ')[1]}/".startswith(("/tasks/", "/scan/", "/cases/", "/people/"))
)
"""The pages of this test's kind of object."""


@pytest.mark.parametrize("role", list(Role))
async def test_accounts_are_in_the_hands_of_three_persons(pages: PageDoor, role: Role) -> None:
    browser = await pages.insider("r001", role)
    form = (await browser.get("/account")).form
    for number, (route, policy) in enumerate(staff_routes()):
        method, path = route.split(" ")
        if not path.startswith("/people"):
            continue
        await pages.insider(f"x{number:03d}", Role.BACK_OFFICE)
        path = path.replace("{login}", f"x{number:03d}")
        page = await browser.get(path) if method == "GET" else await browser.post(path, form=form)
        assert (page.status == 403) is (role not in policy.roles), (route, page.status)


@pytest.mark.parametrize("role", list(Role))
async def test_a_key_of_a_sender_opens_no_page_and_a_session_opens_no_api(pages: PageDoor, role: Role) -> None:
    made = await pages.door.received()
    browser = await pages.insider("r001", role)
    for route, policy in POLICIES.items():
        method, path = route.split(" ")
        if policy.who is Who.SENDER:
            address = pages.door.url + filled(path).replace("0" * 24, made)
            async with browser.http.request(method, address) as answer:
                assert answer.status == 401, route
    status, _, _ = await pages.door.call("GET", "/tasks", allow_redirects=False)
    assert status == 303


async def test_the_three_administrators_are_three_persons(pages: PageDoor) -> None:
    for pair in (
        [Role.AUDITOR, Role.SYSTEM],
        [Role.SYSTEM, Role.SECURITY],
        [Role.SECURITY, Role.AUDITOR],
        [Role.AUDITOR, Role.BACK_OFFICE],
    ):
        wanted = {"login": "z001", "name": "样例", "roles": [role.value for role in pair]}
        status, body = await pages.door.local("POST", "/admin/users", json=wanted)
        assert (status, body["type"]) == (422, "urn:onedoor:problem:account")


async def test_what_people_do_to_accounts_stands_in_the_journal_with_who_when_what_and_success(pages: PageDoor) -> None:
    await pages.somebody("n001", Role.BACK_OFFICE)
    await pages.browser().sign_in("n001", "a wrong one")
    system = await pages.somebody("y001", Role.SYSTEM)
    security = await pages.somebody("q001", Role.SECURITY)
    await security.get("/people/n001")
    assert (await security.post("/people/n001/roles", role=["back_office", "supervisor"], centre=[XUHUI])).status == 200
    assert (await security.post("/people/n001/sessions")).status == 200
    assert (await security.post("/people/q001/roles", role=["auditor"])).status == 422, "nobody grants oneself a role"
    await system.get("/people/n001")
    assert (await system.post("/people/n001/switch", to="off")).status == 200
    assert (await system.post("/people/n001/switch", to="on")).status == 200
    assert (await system.post("/people/n001/password")).status == 200
    made = await system.get("/people")
    assert made.status == 200
    assert (await system.post("/people", login="n002", name="样例二")).status == 200
    assert (await system.post("/people", login="N 2", name="样例二")).status == 422
    hub = pages.door.hub
    rows = await hub.read(
        lambda c: c.rows("SELECT by, at, changes FROM journal WHERE chain = 'account:n001' ORDER BY seq")
    )
    told = [(row["by"], kind, after) for row in rows for kind, _, _, after, _ in json.loads(row["changes"])]
    assert ("operator", "account", "working") in told
    assert ("n001", "sign_in", "full") in told
    assert ("anonymous", "sign_in", "refused") in told
    assert ("q001", "roles", "back_office,supervisor") in told
    assert ("y001", "account", "disabled") in told
    assert ("y001", "password", "reset") in told
    assert all(row["at"] for row in rows)


def test_every_route_for_casework_says_what_its_scope_is_held_against() -> None:
    for route, policy in POLICIES.items():
        if policy.roles & CASEWORK and ("{id}" in route or "{case_no}" in route):
            assert policy.reach is not Reach.NONE, route


@pytest.mark.parametrize("role", list(Role))
async def test_every_page_of_the_staff_opens_for_its_roles_alone(pages: PageDoor, role: Role) -> None:
    browser = await pages.insider("r001", role)
    form = (await browser.get("/account")).form
    for route, policy in staff_routes():
        method, path = route.split(" ")
        page = await browser.get(filled(path)) if method == "GET" else await browser.post(filled(path), form=form)
        assert (page.status == 403) is (role not in policy.roles), (route, page.status)
        assert page.status < 500, route
