"""Passwords: argon2id, always in a thread (a hash takes some 50 to 300 ms), a few at a time so that a flood of sign-ins starves nobody."""

import asyncio
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from contracts.plugin import Runtime
from hub.people import AccountRefused

SHORTEST, LONGEST = 12, 128
AT_ONCE = 4
"""Hashes that are computed at the same time: each takes 64 MiB."""

_SIMPLE = 5
"""Fewer different characters than this make no password."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    """Checked where there is no account, so that the time does not tell whether there is one."""
    return _hasher().hash(secrets.token_hex())


class Passwords:
    """Hashing and checking, off the event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """The hash that is stored."""
        async with self._turn:
            return await self._runtime.in_thread(_hasher().hash, password)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of the hash; None takes as long and never fits."""
        async with self._turn:
            return await self._runtime.in_thread(_fits, stored, password)


def _fits(stored: str | None, password: str) -> bool:
    try:
        _hasher().verify(stored or _nobody(), password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return stored is not None


def check(password: str, login: str) -> None:
    """Raises AccountRefused for a password that is too short, too simple, or the login itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountRefused(
            "A password has 12 to 128 characters. Three or four words that belong together are easy to keep."
        )
    if len(set(password)) < _SIMPLE or login in password.lower():
        raise AccountRefused("This password is too easy to guess: use other characters, and not the login.")


def random_password() -> str:
    """For a first sign-in: 20 characters that are not mistaken for each other, 100 bits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789-"
    return "".join(secrets.choice(letters) for _ in range(20))
