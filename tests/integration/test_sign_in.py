"""Signing in and what a session is worth (D14, D15, D19): over HTTP, against a hub with its database."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub import totp
from hub.people import Role
from tests.page_door import PageDoor, page_door


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageDoor]:
    async with page_door(tmp_path) as door:
        yield door


def session_of(browser: object) -> str:
    cookies = {cookie.key: cookie.value for cookie in browser.http.cookie_jar}  # type: ignore[attr-defined]
    return str(cookies.get("onedoor-session", ""))


HOME = "/tasks"
"""Where a back office clerk's work is."""


def later(pages: PageDoor, seconds: float) -> None:
    """Move the clock that people live by."""
    at = pages.door.hub.real_time() + seconds
    pages.door.hub.real_time = lambda: at


async def test_somebody_signs_in_and_out_and_the_cookie_is_worth_nothing_afterwards(pages: PageDoor) -> None:
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    token = session_of(browser)
    assert (await browser.get("/account")).status == 200
    await browser.post("/sign-out")
    thief = pages.browser()
    page = await thief.get("/account", headers={"Cookie": f"onedoor-session={token}"})
    assert page.url.startswith("/sign-in")


async def test_a_session_from_before_signing_in_is_never_taken_over(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.BACK_OFFICE)
    browser = pages.browser()
    browser.http.cookie_jar.update_cookies({"onedoor-session": "chosen-by-a-thief"})
    await browser.sign_in("c001", password)
    first = session_of(browser)
    assert first not in ("", "chosen-by-a-thief")
    assert len(first) >= 43  # 256 bits
    other = pages.browser()
    await other.sign_in("c001", password)
    assert session_of(other) != first


async def test_no_account_is_there_by_default(pages: PageDoor) -> None:
    browser = pages.browser()
    for login, password in (("admin", "admin"), ("root", "root"), ("onedoor", "onedoor"), ("", "")):
        assert (await browser.sign_in(login, password)).status == 401


async def test_wrong_login_and_wrong_password_read_the_same(pages: PageDoor) -> None:
    await pages.person("c001", Role.BACK_OFFICE)
    browser = pages.browser()
    wrong = await browser.sign_in("c001", "not the password")
    unknown = await browser.sign_in("c999", "not the password")
    assert (wrong.status, unknown.status) == (401, 401)
    assert wrong.text.replace("c001", "").count("工号或密码不对") == unknown.text.count("工号或密码不对") == 1


async def test_guessing_is_slowed_down_and_locks_nobody_else_out(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.BACK_OFFICE)
    at_work = pages.browser()
    await at_work.sign_in("c001", password)
    await at_work.post("/sign-out")
    guesser = pages.browser()
    statuses = [(await guesser.sign_in("c001", f"guess number {n}")).status for n in range(8)]
    assert statuses[:5] == [401] * 5
    assert set(statuses[6:]) == {429}
    assert (await guesser.sign_in("c001", password)).status == 429, "the right one too, from there"
    assert (await at_work.sign_in("c001", password)).url == HOME, "a browser that is known is not held up"
    other = await pages.person("c002", Role.BACK_OFFICE)
    assert (await pages.browser().sign_in("c002", other)).url == HOME
    later(pages, 3600)
    assert (await guesser.sign_in("c001", password)).url == HOME, "waiting ends it"


async def test_a_mark_made_for_one_person_helps_with_no_other(pages: PageDoor) -> None:
    await pages.person("c001", Role.BACK_OFFICE)
    password = await pages.person("c002", Role.BACK_OFFICE)
    browser = pages.browser()
    await browser.sign_in("c002", password)
    await browser.post("/sign-out")
    statuses = [(await browser.sign_in("c001", f"guess number {n}")).status for n in range(8)]
    assert 429 in statuses


@pytest.mark.parametrize("way", ["disable", "reset", "idle", "longest", "sessions"])
async def test_a_session_ends(pages: PageDoor, way: str) -> None:
    browser = await pages.somebody("c001", Role.BACK_OFFICE)
    if way == "disable":
        assert (await pages.door.local("POST", "/admin/users/c001/disable"))[0] == 204
    elif way == "reset":
        assert (await pages.door.local("POST", "/admin/users/c001/password"))[0] == 200
    elif way == "idle":
        later(pages, 31 * 60)
    elif way == "longest":
        for minutes in range(20, 13 * 60, 20):
            later(pages, 20 * 60)
            page = await browser.get("/account")
            if page.url.startswith("/sign-in"):
                assert minutes >= 12 * 60
                break
            assert minutes <= 12 * 60
    else:
        second = pages.browser()
        _, body = await pages.door.local("POST", "/admin/users/c001/password")
        await second.sign_in("c001", body["password"])
        assert (await second.post("/account/password", old=body["password"], new="four words make one")).status == 200
        await second.post("/account/sessions")
    assert (await browser.get("/account")).url.startswith("/sign-in")


async def test_only_so_many_sessions_are_open_at_once_and_the_oldest_ends(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.BACK_OFFICE)
    browsers = [pages.browser() for _ in range(4)]
    for browser in browsers:
        assert (await browser.sign_in("c001", password)).url == HOME
    assert (await browsers[0].get("/account")).url.startswith("/sign-in")
    assert [(await browser.get("/account")).url for browser in browsers[1:]] == ["/account"] * 3


async def test_a_first_password_must_be_changed_before_anything_else(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.BACK_OFFICE, once=True)
    browser = pages.browser()
    assert (await browser.sign_in("c001", password)).url == "/account"
    short = await browser.post("/account/password", old=password, new="short")
    assert (short.status, "12 至 128" in short.text) == (422, True)
    assert (await browser.post("/account/password", old="wrong", new="four words make one")).status == 422
    page = await browser.post("/account/password", old=password, new="four words make one")
    assert (page.status, page.url) == (200, "/account")
    assert "请先设置自己的密码" not in page.text
    assert (await pages.browser().sign_in("c001", password)).status == 401


async def test_the_second_factor_is_asked_for_and_each_code_counts_once(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.SUPERVISOR)
    browser = pages.browser()
    await browser.sign_in("c001", password)
    page = await browser.get("/account")
    secret = _secret(page.text.split('<p class="center code">')[1].split("</p>")[0])
    picture = await browser.get("/account/second-factor.svg")
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    now = pages.door.hub.real_time()
    pages.door.hub.real_time = lambda: now
    assert (await browser.post("/account/second-factor", code="000000")).status == 422
    assert (await browser.post("/account/second-factor", code=totp.code(secret, int(now // 30)))).status == 200
    await browser.post("/sign-out")
    asked = await browser.sign_in("c001", password)
    assert asked.url == "/sign-in/code"
    assert (await browser.get("/account")).url == "/sign-in/code", "nothing opens before the code"
    used = await browser.post("/sign-in/code", code=totp.code(secret, int(now // 30)))
    assert used.status == 401, "this code was used to switch it on"
    before = session_of(browser)
    assert (await browser.post("/sign-in/code", code=totp.code(secret, int(now // 30) + 1))).url == HOME
    assert session_of(browser) != before


async def test_codes_cannot_be_guessed_one_after_the_other(pages: PageDoor) -> None:
    password = await pages.person("c001", Role.SUPERVISOR)
    browser = pages.browser()
    await browser.sign_in("c001", password)
    page = await browser.get("/account")
    secret = _secret(page.text.split('<p class="center code">')[1].split("</p>")[0])
    code = totp.code(secret, int(pages.door.hub.real_time() // 30))
    await browser.post("/account/second-factor", code=code)
    await browser.post("/sign-out")
    await browser.sign_in("c001", password)
    statuses = [(await browser.post("/sign-in/code", code=f"{n:06d}")).status for n in range(9)]
    assert statuses[-1] == 429


async def test_a_privileged_role_must_switch_the_second_factor_on_first(tmp_path: Path) -> None:
    async with page_door(tmp_path, sign_in={"loopback_http": True}) as pages:
        browser = await pages.somebody("s001", Role.SYSTEM)
        page = await browser.get("/account")
        assert "必须先启用双因素验证" in page.text
        clerk = await pages.somebody("c001", Role.COUNTER)
        assert "必须先启用双因素验证" not in (await clerk.get("/account")).text


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil", "evil"]
)
async def test_signing_in_leads_to_our_own_pages_only(pages: PageDoor, wanted: str) -> None:
    password = await pages.person("c001", Role.BACK_OFFICE)
    browser = pages.browser()
    await browser.get("/sign-in")
    page = await browser.post("/sign-in", login="c001", password=password, next=wanted)
    assert (page.status, page.url) == (200, HOME)


async def test_the_language_is_one_switch_and_each_reads_the_own_one(pages: PageDoor) -> None:
    one, other = pages.browser(), pages.browser()
    assert 'lang="zh-CN"' in (await one.get("/sign-in")).text
    english = await one.post("/language", language="en", next="/sign-in")
    assert ('lang="en"' in english.text, "Staff number" in english.text) == (True, True)
    assert "工号" in (await other.get("/sign-in")).text
    assert "Staff number" in (await one.get("/sign-in")).text


def _secret(written: str) -> bytes:
    return base64.b32decode(written + "=" * (-len(written) % 8))
