"""Signing in with the city's identity provider (OpenID Connect Core 1.0, authorization code flow with PKCE, RFC 7636).

An extra: ``pip install onedoor[oidc]`` and the settings ``[oidc]``. The client secret is the file ``oidc-client-secret`` of the secrets
folder. An account is bound to issuer and subject; who has no account here gets none by signing in there.
"""

import base64
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import orjson

from contracts.errors import OnedoorError
from contracts.records import record

if TYPE_CHECKING:
    from hub.app import Hub

SECRET = "oidc-client-secret"  # noqa: S105 - the name of a file
ALGORITHMS = ["RS256", "ES256", "PS256"]
SECONDS = 10.0
LARGEST = 262_144
LEEWAY = 60
KEYS_FOR = 300.0
"""Seconds for which the provider's description and keys are kept."""


class ProviderFailed(OnedoorError):
    """The provider did not answer, or what it said cannot be believed. Nobody was signed in."""


@record
class Begun:
    """Where the browser goes, and what it brings back in a cookie: state, nonce and the verifier of PKCE."""

    address: str
    kept: str


def check_installed(hub: "Hub") -> None:
    """Raises ProviderFailed at the start where the extra is missing or the issuer is not reached over TLS."""
    settings = hub.settings.oidc
    if settings is None:
        return
    try:
        import joserfc  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise ProviderFailed("the settings name an identity provider: pip install onedoor[oidc]") from error
    if not settings.issuer.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ProviderFailed("oidc.issuer must be an https address")


async def begin(hub: "Hub", back: str) -> Begun:
    """Begin at the provider. ``back``: our address that it returns to. Raises ProviderFailed."""
    settings = hub.settings.oidc
    assert settings is not None, "the route is closed without the settings"
    described = await _described(hub)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": back,
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return Begun(
        address=f"{described['authorization_endpoint']}?{urlencode(asked)}", kept=f"{state}.{nonce}.{verifier}"
    )


async def finish(hub: "Hub", kept: str, state: str, code: str, back: str) -> str:
    """Who it is: issuer and subject, as an account is bound to them. Raises ProviderFailed."""
    settings = hub.settings.oidc
    assert settings is not None, "the route is closed without the settings"
    parts = kept.split(".")
    if len(parts) != 3 or not secrets.compare_digest(parts[0].encode(), state.encode()):
        raise ProviderFailed("this sign-in was not begun in this browser: begin again")
    described = await _described(hub)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "client_id": settings.client_id,
        "client_secret": hub.runtime.secret(SECRET),
        "code_verifier": parts[2],
    }
    answer = await _ask("POST", described["token_endpoint"], data=form)
    claims = await _claims(hub, str(answer.get("id_token", "")), parts[1])
    return f"{settings.issuer}|{claims['sub']}"


async def _claims(hub: "Hub", token: str, nonce: str) -> dict[str, Any]:
    """The claims of an id token whose signature, issuer, audience, time and nonce hold (Core 1.0, section 3.1.3.7)."""
    from joserfc import jwt  # noqa: PLC0415 - an extra
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet  # noqa: PLC0415

    settings = hub.settings.oidc
    assert settings is not None
    described = await _described(hub)
    try:
        keys = KeySet.import_key_set(await _ask("GET", described["jwks_uri"]))  # type: ignore[arg-type]  # checked by the library
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError) as error:
        raise ProviderFailed("the identity provider's answer is not signed as it should be") from error
    audience = claims.get("aud")
    ours = audience == settings.client_id or (isinstance(audience, list) and audience == [settings.client_id])
    now = time.time()
    fresh = float(claims.get("exp", 0)) > now - LEEWAY and float(claims.get("iat", now)) < now + LEEWAY
    if not (
        ours and fresh and claims.get("iss") == settings.issuer and claims.get("nonce") == nonce and claims.get("sub")
    ):
        raise ProviderFailed("the identity provider's answer is for somebody else, or too old: begin again")
    return dict(claims)


async def _described(hub: "Hub") -> dict[str, Any]:
    """The provider's own description (OpenID Connect Discovery 1.0). Raises ProviderFailed for another issuer's."""
    settings = hub.settings.oidc
    assert settings is not None
    kept = hub.provider
    if kept is not None and hub.runtime.monotonic() - kept[0] < KEYS_FOR:
        return kept[1]
    found = await _ask("GET", f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != settings.issuer:
        raise ProviderFailed("the identity provider describes itself as another one: check oidc.issuer")
    hub.provider = (hub.runtime.monotonic(), found)
    return found


async def _ask(method: str, address: str, **request: Any) -> dict[str, Any]:
    """JSON from the provider. Raises ProviderFailed."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as http,
            http.request(method, address, allow_redirects=False, **request) as answer,
        ):
            body = await answer.content.read(LARGEST)
            found = orjson.loads(body) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise ProviderFailed(
            "the identity provider does not answer: sign in with your password, or try again"
        ) from error
    if not isinstance(found, dict):
        raise ProviderFailed("the identity provider refused: begin again")
    return found
