"""The second factor: one-time codes by time (RFC 6238: HMAC-SHA-1, 6 digits, 30 seconds), each of which counts once."""

import base64
import hmac
import secrets
import struct
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1
"""Steps before and after the present one that count: clocks differ (RFC 6238, section 5.2)."""


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 section 4 recommends."""
    return secrets.token_bytes(20)


def code(secret: bytes, step: int) -> str:
    """The code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def accepted(secret: bytes, typed: str, now_seconds: float, spent_step: int) -> int | None:
    """The step whose code was typed, None when it is none of the present ones. Steps up to ``spent_step`` were used before."""
    plain = "".join(typed.split())
    present = int(now_seconds // STEP_SECONDS)
    for step in range(present - DRIFT, present + DRIFT + 1):
        if step > spent_step and hmac.compare_digest(code(secret, step).encode(), plain.encode()):
            return step
    return None


def address(secret: bytes, login: str, issuer: str) -> str:
    """The otpauth address that an authenticator reads from a QR code."""
    words = urlencode({"secret": written(secret), "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS})
    return f"otpauth://totp/{quote(issuer)}:{quote(login)}?{words}"


def written(secret: bytes) -> str:
    """The secret for a person to type: base32."""
    return base64.b32encode(secret).decode().rstrip("=")
