"""What holds of every route there is (D13, D18, D19): its policy, its headers, its forms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from hub.people import Role
from hub.web.api import make_app
from hub.web.guard import HEADERS, CookiesUnsafe
from hub.web.local import make_local_app
from hub.web.policy import POLICIES, PolicyMissing, Who, check_policies
from tests.page_door import PageDoor, page_door


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


def filled(path: str) -> str:
    """An address of that route."""
    values = {
        "{case_no}": "0" * 24,
        "{id}": "0" * 36,
        "{name}": "onedoor.css",
        "{login}": "c001",
        "{system}": "MZ-relief",
        "{number}": "JJ" + "0" * 21,
        "{page}": "1",
    }
    for name, value in values.items():
        path = path.replace(name, value)
    assert "{" not in path, path
    return path


def on_tcp() -> list[tuple[str, str]]:
    return [
        (method, filled(path))
        for method, path in (route.split(" ") for route, policy in POLICIES.items() if policy.who is not Who.FILE_OWNER)
    ]


async def test_the_hub_does_not_start_with_a_route_that_has_no_policy(pages: PageDoor) -> None:
    async def forgotten(_: web.Request) -> web.Response:
        return web.Response()

    api = make_app(pages.door.hub)
    local = make_local_app(api)
    check_policies((api, local))
    api.router.add_get("/forgotten", forgotten)
    with pytest.raises(PolicyMissing, match="no policy for GET /forgotten"):
        check_policies((api, local))
    with pytest.raises(PolicyMissing, match="no route for"):
        check_policies((local,))


async def test_every_answer_of_every_route_carries_the_headers(pages: PageDoor) -> None:
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    for method, path in [*on_tcp(), ("GET", "/nothing-there"), ("DELETE", "/account"), ("GET", "/static/../keys.py")]:
        async with browser.http.request(method, pages.door.url + path, allow_redirects=False) as answer:
            for name, value in HEADERS.items():
                assert answer.headers.get(name) == value, (method, path, name)
            kept = path.startswith("/static/") and answer.status == 200
            assert ("no-store" in answer.headers["Cache-Control"]) is not kept, (method, path)
            assert answer.headers["Server"] == "onedoor"


async def test_a_page_for_staff_is_closed_to_strangers(pages: PageDoor) -> None:
    for route, policy in POLICIES.items():
        if policy.who is Who.STAFF:
            method, path = route.split(" ")
            async with pages.browser().http.request(
                method, pages.door.url + filled(path), allow_redirects=False
            ) as answer:
                assert (answer.status, answer.headers["Location"].startswith("/sign-in")) == (303, True), route


def changing() -> list[str]:
    return [
        filled(route.split(" ")[1]) for route, policy in POLICIES.items() if policy.page and route.startswith("POST")
    ]


async def test_a_form_is_believed_only_from_a_page_of_the_same_session(pages: PageDoor) -> None:
    browser = await pages.somebody("c001", *_all_roles())
    other = await pages.somebody("c002", Role.BACK_OFFICE)
    stranger = pages.browser()
    await stranger.get("/sign-in")
    assert other.last is not None
    assert stranger.last is not None
    foreign = {"none": "", "made up": "0" * 40, "other session": other.last.form, "no session": stranger.last.form}
    for path in changing():
        for what, token in foreign.items():
            assert (await browser.post(path, form=token)).status == 403, (path, what)
        assert browser.last is not None
        url, form = pages.door.url + path, browser.last.form
        wrong = [
            {"data": {"_form": form}, "headers": {"Origin": "https://evil.example"}},
            {"data": {"_form": form}, "headers": {"Origin": "null"}},
            {"data": {"_form": form}, "headers": {"Sec-Fetch-Site": "cross-site"}},
            {"data": f'{{"_form": "{form}"}}', "headers": {"Content-Type": "text/plain"}},
            {"json": {"_form": form}},
        ]
        for request in wrong:
            async with browser.http.post(url, **request) as answer:  # type: ignore[arg-type]
                assert answer.status == 403, (path, request)


async def test_reading_changes_nothing(pages: PageDoor) -> None:
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    gets = {route.split(" ")[1] for route in POLICIES if route.startswith("GET")}
    for path in {route.split(" ")[1] for route in POLICIES if route.startswith("POST")} - gets:
        if POLICIES[f"POST {path}"].page:
            assert (await browser.get(filled(path))).status == 405, path
    page = await browser.get("/account", headers={"X-HTTP-Method-Override": "POST"})
    assert page.status == 200


async def test_cookies_are_bound_to_this_host_and_to_tls(tmp_path: Path) -> None:
    async with page_door(tmp_path, sign_in={}) as pages:
        async with pages.browser().http.get(pages.door.url + "/sign-in") as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-onedoor-form=")
        for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert part in cookie
        assert "Domain" not in cookie


async def test_cookies_for_http_are_refused_on_an_address_that_others_reach(tmp_path: Path) -> None:
    with pytest.raises(CookiesUnsafe):
        async with page_door(tmp_path, host="0.0.0.0"):
            pass


async def test_a_page_is_served_under_its_own_name_only(tmp_path: Path) -> None:
    async with page_door(tmp_path, public_url="https://onedoor.example", sign_in={}) as pages:
        http = pages.browser().http
        async with http.get(pages.door.url + "/sign-in", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
            assert "evil" not in await answer.text()
        async with http.get(pages.door.url + "/sign-in", headers={"Host": "onedoor.example"}) as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


async def test_a_path_is_what_it_says(pages: PageDoor) -> None:
    http = pages.browser().http
    for path in (
        "/static/%2e%2e/pages.py",
        "/static/..%2fpages.py",
        "//evil.example",
        "/static/",
        "/account/../metrics%00",
    ):
        async with http.get(pages.door.url + path, allow_redirects=False) as answer:
            assert answer.status in (303, 400, 404), path
            assert "evil.example" not in answer.headers.get("Location", "")


def _all_roles() -> tuple[Role, ...]:
    return (Role.COUNTER, Role.BACK_OFFICE, Role.SUPERVISOR, Role.OPERATOR)
