"""A small OpenID Connect provider that is a real HTTP server: discovery, authorization code with PKCE, signed id tokens."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "onedoor", "sample-client-secret"


@dataclass
class Provider:
    """``subject``: who signs in there. ``lies``: claims to put in place of the true ones; ``key``: what it signs with."""

    subject: str = "sample-subject"
    lies: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}))
    published: RSAKey | None = None
    issuer: str = ""
    begun: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> web.Application:
        """Its four addresses."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self.describe),
                web.get("/authorize", self.authorize),
                web.post("/token", self.token),
                web.get("/keys", self.keys),
            ]
        )
        return app

    async def describe(self, _: web.Request) -> web.Response:
        """Discovery."""
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def authorize(self, request: web.Request) -> web.Response:
        """Somebody has signed in here, as ``subject``."""
        code = uuid4().hex
        self.begun[code] = dict(request.query)
        back = f"{request.query['redirect_uri']}?{urlencode({'code': code, 'state': request.query['state']})}"
        return web.Response(status=303, headers={"Location": back})

    async def token(self, request: web.Request) -> web.Response:
        """The id token for a code that was given once, to the client that knows its secret and the verifier."""
        form = await request.post()
        asked = self.begun.pop(str(form.get("code")), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier")).encode()).digest()).rstrip(b"=")
        if asked is None or form.get("client_secret") != SECRET or proof.decode() != asked["code_challenge"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.lies,
        }
        return web.json_response({"id_token": jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)})

    async def keys(self, _: web.Request) -> web.Response:
        """Its public keys."""
        return web.json_response({"keys": [(self.published or self.key).as_dict(private=False)]})


@asynccontextmanager
async def identity_provider() -> AsyncIterator[Provider]:
    """Serve one."""
    made = Provider()
    server = TestServer(made.app())
    await server.start_server()
    made.issuer = str(server.make_url("")).rstrip("/")
    try:
        yield made
    finally:
        await server.close()
