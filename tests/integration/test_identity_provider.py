"""Signing in with an identity provider: the whole flow against a real one of ours, and everything that it might say wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from hub.oidc import SECRET as SECRET_FILE
from tests.identity_provider import CLIENT, SECRET, Provider, identity_provider
from tests.page_door import RELAXED, PageDoor, page_door


@asynccontextmanager
async def city(folder: Path, **settings: Any) -> AsyncIterator[tuple[PageDoor, Provider]]:
    async with identity_provider() as provider:
        oidc = {"issuer": provider.issuer, "client_id": CLIENT, "name": "样例统一认证", **settings}
        async with page_door(folder, oidc=oidc, sign_in=RELAXED) as pages:
            secrets = pages.door.hub.settings.secret_folder
            secrets.mkdir(parents=True, exist_ok=True)
            (secrets / SECRET_FILE).touch(mode=0o600)
            (secrets / SECRET_FILE).write_text(SECRET)
            yield pages, provider


async def bound(pages: PageDoor, provider: Provider) -> None:
    identity = f"{provider.issuer}|{provider.subject}"
    wanted = {"login": "b001", "name": "样例", "roles": ["back_office"], "identity": identity}
    status, body = await pages.door.local("POST", "/admin/users", json=wanted)
    assert (status, body["password"]) == (201, "")


async def test_somebody_whom_the_provider_vouches_for_signs_in_to_the_account_that_is_bound(tmp_path: Path) -> None:
    async with city(tmp_path) as (pages, provider):
        await bound(pages, provider)
        browser = pages.browser()
        assert "样例统一认证" in (await browser.get("/sign-in")).text
        page = await browser.get("/sign-in/with")
        assert (page.status, page.url) == (200, "/tasks")
        assert (await pages.browser().sign_in("b001", "")).status == 401, "there is no password"


async def test_who_has_no_account_here_gets_none(tmp_path: Path) -> None:
    async with city(tmp_path) as (pages, _):
        page = await pages.browser().get("/sign-in/with")
        assert (page.status, "没有账号" in page.text) == (403, True)


async def test_an_account_that_is_switched_off_stays_closed(tmp_path: Path) -> None:
    async with city(tmp_path) as (pages, provider):
        await bound(pages, provider)
        await pages.door.local("POST", "/admin/users/b001/disable")
        assert (await pages.browser().get("/sign-in/with")).status == 403


@pytest.mark.parametrize(
    "lies", [{"aud": "another"}, {"iss": "https://evil.example"}, {"nonce": "old"}, {"exp": 1_000_000}, {"sub": ""}]
)
async def test_a_token_for_somebody_else_opens_nothing(tmp_path: Path, lies: dict[str, Any]) -> None:
    async with city(tmp_path) as (pages, provider):
        await bound(pages, provider)
        provider.lies = lies
        page = await pages.browser().get("/sign-in/with")
        assert (page.status, page.url.startswith("/sign-in/back")) == (403, True)


async def test_a_token_under_another_key_opens_nothing(tmp_path: Path) -> None:
    async with city(tmp_path) as (pages, provider):
        await bound(pages, provider)
        provider.published = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        assert (await pages.browser().get("/sign-in/with")).status == 403


async def test_a_code_that_was_begun_in_another_browser_opens_nothing(tmp_path: Path) -> None:
    async with city(tmp_path) as (pages, provider):
        await bound(pages, provider)
        thief = pages.browser()
        async with thief.http.get(pages.door.url + "/sign-in/with", allow_redirects=False) as begun:
            address = begun.headers["Location"]
        async with thief.http.get(address, allow_redirects=False) as answer:
            back = answer.headers["Location"]
        victim = pages.browser()
        async with victim.http.get(back, allow_redirects=False) as answer:
            assert answer.status == 403
        async with thief.http.get(back + "x", allow_redirects=False) as answer:
            assert answer.status == 403


async def test_a_provider_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    async with city(tmp_path, issuer="http://127.0.0.1:9") as (pages, _):
        page = await pages.browser().get("/sign-in/with")
        assert (page.status, "没有响应" in page.text) == (503, True)


async def test_a_provider_over_plain_http_elsewhere_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="https"):
        async with city(tmp_path, issuer="http://idp.example"):
            pass


async def test_without_the_settings_there_is_no_such_address(tmp_path: Path) -> None:
    async with page_door(tmp_path) as pages:
        for path in ("/sign-in/with", "/sign-in/back?code=x&state=y"):
            assert (await pages.browser().get(path)).status == 404
