"""Signing in: slowed down after failures, rotated, limited in time and number, ended the moment an account changes.

What is slowed down is a *bucket*: the pair of account and address, the address, and the account. A browser that has signed in
before as this person carries a mark of its own and is counted alone, so that nobody can lock a colleague out by guessing.
"""

import hmac
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from contracts.errors import OnedoorError
from contracts.records import record
from hub import people, totp
from hub.people import Account
from hub.store import accounts
from hub.store.connection import Connection, Row

if TYPE_CHECKING:
    from hub.app import Hub

MINUTE = 60_000
"""In milliseconds, as all times here. They are of the real clock (``Hub.real_ms``), not of the civil one that a demo accelerates:
people and their authenticators live by it."""

SEEN_EVERY = MINUTE
"""How exactly the last use of a session is kept: a write for each request would be too many."""

KEEP_SESSIONS = 200 * 24 * 60 * MINUTE


class Level(StrEnum):
    """How far a session has come."""

    PASSWORD = "password"  # noqa: S105 - the name of a level
    FULL = "full"


class Bucket(StrEnum):
    """What failures are counted for; see ``_LIMITS``."""

    PAIR = "pair"
    KNOWN = "known"
    ADDRESS = "address"
    ACCOUNT = "account"


_LIMITS = {Bucket.PAIR: 5, Bucket.KNOWN: 5, Bucket.ADDRESS: 30, Bucket.ACCOUNT: 30}
"""Failures in a row before waiting begins: then one second, doubled with each further failure."""

LONGEST_WAIT = 15 * MINUTE
FORGET_AFTER = 24 * 60 * MINUTE


class SignInRefused(OnedoorError):
    """Wrong login, password or code, or an account that is switched off: which of them is not told."""


class TooManyTries(OnedoorError):
    """Wait before the next try."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} seconds before the next try")
        self.seconds = seconds


@record
class Session:
    """A sign-in in use. ``level`` below ``full``: the second factor is still asked for."""

    id: str
    level: str
    account: Account


@record
class Started:
    """A session just begun; ``token`` goes into the cookie and is kept nowhere."""

    token: str
    session: Session


def mark_of(hub: "Hub", login: str, nonce: str) -> str:
    """What a browser keeps that has signed in as this person: it proves that and nothing else."""
    return f"{nonce}.{hub.keys.sign_in_hash('known browser', f'{login}:{nonce}')}"


def knows(hub: "Hub", login: str, mark: str) -> str | None:
    """The nonce of a genuine mark for this login."""
    nonce, _, proof = mark.partition(".")
    genuine = hmac.compare_digest(mark_of(hub, login, nonce).partition(".")[2].encode(), proof.encode())
    return nonce if nonce and genuine else None


async def with_password(hub: "Hub", login: str, password: str, address: str, mark: str = "") -> Started:
    """Begin a session. Raises SignInRefused, TooManyTries, StoreUnavailable. ``address``: of the caller."""
    login = login.strip().lower()[:64]
    buckets = _buckets(hub, login, address, mark)
    row = await hub.read(lambda connection: accounts.find(connection, hub.city.region, login))
    wait = await hub.read(lambda connection: _wait(connection, hub.city.region, buckets, hub.real_ms()))
    if wait > 0:
        raise TooManyTries(-(-wait // 1000))
    fits = await hub.passwords.fits(row["password_hash"] if row else None, password)
    if row is None or not fits or row["disabled_at"] is not None:
        why = "unknown" if row is None else "password" if not fits else "disabled"
        await hub.writer.run(lambda connection: _failed(connection, hub, login if row else None, buckets, why))
        raise SignInRefused("the login, the password or the code is wrong")
    return await hub.writer.run(lambda connection: _start(connection, hub, login, buckets))


async def with_identity(hub: "Hub", identity: str) -> Started:
    """Begin a session for somebody whom an identity provider has vouched for. Raises SignInRefused."""
    row = await hub.read(lambda connection: accounts.find_identity(connection, hub.city.region, identity))
    if row is None or row["disabled_at"] is not None:
        raise SignInRefused("this identity belongs to no account that works here")
    login: str = row["login"]
    return await hub.writer.run(lambda connection: _start(connection, hub, login, (), vouched=True))


async def with_code(hub: "Hub", session: Session, typed: str, address: str, mark: str = "") -> Started:
    """Give the second factor: a new session in place of the old one. Raises SignInRefused, TooManyTries."""
    login = session.account.login
    buckets = _buckets(hub, login, address, mark)

    def unit(connection: Connection) -> Started | int:
        now = hub.real_ms()
        wait = _wait(connection, hub.city.region, buckets, now)
        if wait > 0:
            return wait
        row = people.required(connection, hub.city.region, login)
        secret = hub.keys.unseal_account(row["sealed_secret"], login, "second factor")
        step = totp.accepted(secret, typed, now / 1000, row["spent_step"])
        if step is None or accounts.session(connection, hub.city.region, session.id) is None:
            _failed(connection, hub, login, buckets, "code")
            return 0
        people.change(connection, hub.city.region, login, {"spent_step": step}, hub.now_ms())
        accounts.end_session(connection, hub.city.region, session.id, now, "rotated")
        return _start(connection, hub, login, buckets, vouched=True)

    done = await hub.writer.run(unit)
    if isinstance(done, Started):
        return done
    if done:
        raise TooManyTries(-(-done // 1000))
    raise SignInRefused("the login, the password or the code is wrong")


async def find(hub: "Hub", token: str) -> Session | None:
    """The session of a cookie; None when there is none, it has ended, or stood still for too long."""
    session_id = hub.keys.sign_in_hash("session", token)
    row = await hub.read(lambda connection: accounts.session(connection, hub.city.region, session_id))
    if row is None or row["disabled_at"] is not None:
        return None
    now, rules = hub.real_ms(), hub.settings.sign_in
    idle = now - row["session_seen_at"] > rules.idle_minutes * MINUTE
    old = now - row["session_created_at"] > rules.longest_hours * 60 * MINUTE
    if idle or old:
        why = "idle" if idle else "longest"
        await hub.writer.run(lambda connection: _end(connection, hub, row["login"], session_id, why))
        return None
    if now - row["session_seen_at"] > SEEN_EVERY:
        await hub.writer.run(lambda connection: accounts.seen(connection, hub.city.region, session_id, now))
    return Session(id=session_id, level=row["session_level"], account=people.account_of(hub.keys, row))


async def out(hub: "Hub", session: Session) -> None:
    """Sign out."""
    await hub.writer.run(lambda connection: _end(connection, hub, session.account.login, session.id, "signed out"))


def _end(connection: Connection, hub: "Hub", login: str, session_id: str, why: str) -> None:
    if accounts.end_session(connection, hub.city.region, session_id, hub.real_ms(), why):
        people.note(connection, hub.city.journal, login, "session", "open", "ended", hub.now_ms(), login, {"why": why})


def _start(
    connection: Connection, hub: "Hub", login: str, buckets: tuple[tuple[Bucket, str], ...], *, vouched: bool = False
) -> Started:
    """A unit of work: a session with a fresh token, whatever the browser sent before; the oldest ends when there are too many."""
    region, now = hub.city.region, hub.real_ms()
    row = people.required(connection, region, login)
    for bucket, name in buckets:
        if bucket in (Bucket.PAIR, Bucket.KNOWN):  # the others are not one person's to clear
            accounts.clear_limit(connection, region, name)
    opened = accounts.open_sessions(connection, region, login)
    for surplus in opened[: max(0, len(opened) - hub.settings.sign_in.sessions + 1)]:
        accounts.end_session(connection, region, surplus["id"], now, "limit")
    accounts.forget_sessions(connection, region, now - KEEP_SESSIONS)
    token = secrets.token_urlsafe(32)
    level = Level.FULL if vouched or row["sealed_secret"] is None else Level.PASSWORD
    session_id = hub.keys.sign_in_hash("session", token)
    fresh = {
        "region": region,
        "id": session_id,
        "login": login,
        "level": level.value,
        "created_at": now,
        "seen_at": now,
    }
    accounts.add_session(connection, {**fresh, "ended_at": None, "ended_why": None})
    people.note(connection, hub.city.journal, login, "sign_in", None, level.value, hub.now_ms(), login)
    return Started(
        token=token, session=Session(id=session_id, level=level.value, account=people.account_of(hub.keys, row))
    )


def _failed(
    connection: Connection, hub: "Hub", login: str | None, buckets: tuple[tuple[Bucket, str], ...], why: str
) -> None:
    """A unit of work: count the failure and say when the next try may come."""
    region, now = hub.city.region, hub.real_ms()
    accounts.forget_limits(connection, region, now - FORGET_AFTER)
    for bucket, name in buckets:
        found = accounts.limit(connection, region, name)
        failures = (found["failures"] if found else 0) + 1
        over = failures - _LIMITS[bucket]
        until = now + min(1000 * 2 ** min(over, 20), LONGEST_WAIT) if over >= 0 else 0
        accounts.set_limit(
            connection, {"region": region, "bucket": name, "failures": failures, "last_at": now, "until_at": until}
        )
    if login is not None:
        people.note(
            connection, hub.city.journal, login, "sign_in", None, "refused", hub.now_ms(), "anonymous", {"why": why}
        )


def _wait(connection: Connection, region: str, buckets: tuple[tuple[Bucket, str], ...], now: int) -> int:
    rows: list[Row | None] = [accounts.limit(connection, region, name) for _, name in buckets]
    return max((row["until_at"] - now for row in rows if row is not None), default=0)


def _buckets(hub: "Hub", login: str, address: str, mark: str) -> tuple[tuple[Bucket, str], ...]:
    nonce = knows(hub, login, mark)
    named: tuple[tuple[Bucket, str], ...] = ((Bucket.KNOWN, f"{login}:{nonce}"),)
    if nonce is None:
        named = ((Bucket.PAIR, f"{login}:{address}"), (Bucket.ADDRESS, address), (Bucket.ACCOUNT, login))
    return tuple((bucket, hub.keys.sign_in_hash(bucket.value, name)) for bucket, name in named)


async def again(hub: "Hub", login: str) -> Started:
    """A new session for somebody who has just proven the present password (all others have ended)."""
    return await hub.writer.run(lambda connection: _start(connection, hub, login, (), vouched=True))


def end_others(connection: Connection, hub: "Hub", session: Session) -> None:
    """A unit of work: end every session of the account but this one."""
    login = session.account.login
    for row in accounts.open_sessions(connection, hub.city.region, login):
        if row["id"] != session.id:
            _end(connection, hub, login, row["id"], "ended by the person")
