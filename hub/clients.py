"""Senders: who may hand in, ask and complete, for which centres, items and sources. A key is shown once and kept as a hash."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import StrEnum

from contracts.errors import OnedoorError
from contracts.records import adapter, record
from hub.journal import Chain, Journal
from hub.keys import Keys
from hub.store import registry
from hub.store.connection import Connection, Row

REFRESH_SECONDS = 1.0
"""A revocation made by another process holds after at most this time."""

KEY_PREFIX = "onedoor_"
"""So that a scanner for leaked secrets recognises a key."""


OPERATOR = "operator"
"""Who the journal names: whoever may open the local socket or the file itself."""


class NoSuchClient(OnedoorError):
    """No sender that could be revoked has this id."""


class Forbidden(OnedoorError):
    """The sender's key, or the person's role, does not reach this (403)."""


class Right(StrEnum):
    """What a sender may do. ``submit`` includes uploading papers."""

    SUBMIT = "submit"
    EVENT = "event"
    TASK = "task"
    READ = "read"


@record
class Scope:
    """What a sender reaches; an empty set means all of that kind."""

    centres: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    may: frozenset[Right] = frozenset()

    def allows(self, right: Right) -> bool:
        """Whether the right is given."""
        return not self.may or right in self.may

    def covers_centre(self, centre: str) -> bool:
        """Whether the centre is in reach."""
        return not self.centres or centre in self.centres

    def covers_item(self, item: str) -> bool:
        """Whether the item is in reach."""
        return not self.items or item in self.items

    def covers_source(self, source: str) -> bool:
        """Whether messages may carry this ``source``."""
        return not self.sources or source in self.sources

    def covers_department(self, departments: Collection[str]) -> bool:
        """Whether one of these departments is in reach; a scope that names none reaches all, and what has no department."""
        return not self.departments or not self.departments.isdisjoint(departments)

    def covers_case(self, row: Mapping[str, str]) -> bool:
        """Whether a ``case_file`` row is in reach: its item, and any of the three centres that have to do with it."""
        centres = {row["receiving_centre"], row["accepting_centre"], row["paper_holder"]}
        return self.covers_item(row["item"]) and (not self.centres or not self.centres.isdisjoint(centres))


@record
class Client:
    """A sender. Times are ms UTC."""

    id: str
    name: str
    scope: Scope
    created_at: int
    revoked_at: int | None = None


@record
class NewClient:
    """A sender just made; ``key`` is not kept anywhere and cannot be shown again."""

    client: Client
    key: str


def create(connection: Connection, region: str, keys: Keys, name: str, scope: Scope, at: int) -> NewClient:
    """A unit of work: make a sender with a random 256-bit key."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    client = Client(id=secrets.token_hex(6), name=name, scope=scope, created_at=at)
    row = {
        "region": region,
        "id": client.id,
        "name": name,
        "key_hash": keys.client_hash(key),
        "scope": _scope_text(scope),
        "created_at": at,
        "revoked_at": None,
    }
    registry.add_client(connection, row)
    _log(connection, keys.journal(region), client.id, None, "working", at)
    return NewClient(client=client, key=key)


def listed(connection: Connection, region: str) -> tuple[Client, ...]:
    """Every sender, the revoked ones too, oldest first."""
    return tuple(_client(row) for row in registry.clients(connection, region))


def revoke(connection: Connection, region: str, keys: Keys, client: str, at: int) -> None:
    """A unit of work: the key stops working at the next look-up. Raises NoSuchClient."""
    if not registry.revoke_client(connection, region, client, at):
        raise NoSuchClient(f"there is no client {client} with a working key: see `onedoor clients list`")
    _log(connection, keys.journal(region), client, "working", "revoked", at)


def _log(connection: Connection, journal: Journal, client: str, before: str | None, after: str, at: int) -> None:
    """Who could hand in when is part of the record, in a chain of its own for each sender."""
    chain = Chain(journal, f"client:{client}", at, new=before is None)
    chain.add("client", client, before, after, {})
    chain.write(connection, OPERATOR)


class ClientBook:
    """The working keys in memory, by hash. A key that was just used is found without even hashing it again."""

    def __init__(self, keys: Keys, load: Callable[[], Awaitable[list[Row]]], monotonic: Callable[[], float]) -> None:
        """``load`` reads the rows of all senders; ``monotonic`` gives seconds."""
        self._keys = keys
        self._load = load
        self._monotonic = monotonic
        self._by_hash: dict[str, Client] = {}
        self._in_use: dict[str, Client] = {}
        self._read_at: float | None = None
        self._loading = asyncio.Lock()

    async def find(self, key: str) -> Client | None:
        """The sender with this key, None when there is none or it was revoked. Raises StoreUnavailable."""
        if self._stale():
            async with self._loading:
                if self._stale():
                    await self._reload()
        client = self._in_use.get(key)
        if client is None:
            client = self._by_hash.get(self._keys.client_hash(key))
            if client is not None:
                self._in_use[key] = client
        return client

    def forget(self) -> None:
        """Read the table again at the next look-up: this process has just changed it."""
        self._read_at = None

    def _stale(self) -> bool:
        return self._read_at is None or self._monotonic() - self._read_at > REFRESH_SECONDS

    async def _reload(self) -> None:
        began = self._monotonic()
        rows = await self._load()
        self._by_hash = {row["key_hash"]: _client(row) for row in rows if row["revoked_at"] is None}
        self._in_use.clear()
        self._read_at = began


def _client(row: Row) -> Client:
    return Client(
        id=row["id"],
        name=row["name"],
        scope=adapter(Scope).validate_json(row["scope"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )


def _scope_text(scope: Scope) -> str:
    """Sorted, so that the same scope is the same text."""
    parts = {"centres": scope.centres, "items": scope.items, "sources": scope.sources, "may": scope.may}
    if scope.departments:
        parts["departments"] = scope.departments
    return adapter(dict[str, list[str]]).dump_json({name: sorted(values) for name, values in parts.items()}).decode()
