"""Senders: keys shown once, scopes, and a look-up in memory that forgets a revoked key in time."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import clients
from hub.clients import ClientBook, NoSuchClient, Right, Scope
from hub.keys import Keys
from hub.store import registry, schema
from hub.store.connection import Connection, Row
from tests.small_city import SUITE

KEYS = Keys(b"k" * 32, suite=SUITE)
REGION = "310000"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    schema.upgrade(tmp_path / "hub.db")
    opened = Connection(tmp_path / "hub.db", writable=True)
    yield opened
    opened.close()


class Clock:
    """Seconds that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(connection: Connection, clock: Clock) -> ClientBook:
    async def load() -> list[Row]:
        return registry.clients(connection, REGION)

    return ClientBook(KEYS, load, clock)


async def test_a_new_key_works_and_is_stored_as_a_hash_only(connection: Connection, book: ClientBook) -> None:
    made = clients.create(connection, REGION, KEYS, "counter", Scope(may=frozenset({Right.SUBMIT})), at=1)
    assert await book.find(made.key) == made.client
    stored = json.dumps(registry.clients(connection, REGION))
    assert made.key not in stored
    assert made.key.removeprefix(clients.KEY_PREFIX) not in stored
    assert len(made.key) >= 43


async def test_two_keys_are_never_the_same(connection: Connection) -> None:
    keys = {clients.create(connection, REGION, KEYS, "counter", Scope(), at=1).key for _ in range(50)}
    assert len(keys) == 50


async def test_an_unknown_key_finds_nobody(book: ClientBook) -> None:
    assert await book.find("onedoor_nobody") is None


async def test_a_key_revoked_elsewhere_stops_working_within_a_second(
    connection: Connection, book: ClientBook, clock: Clock
) -> None:
    made = clients.create(connection, REGION, KEYS, "counter", Scope(), at=1)
    assert await book.find(made.key)
    clients.revoke(connection, REGION, KEYS, made.client.id, at=2)
    clock.now += 1.01
    assert await book.find(made.key) is None


async def test_a_key_revoked_here_stops_working_at_once(connection: Connection, book: ClientBook) -> None:
    made = clients.create(connection, REGION, KEYS, "counter", Scope(), at=1)
    assert await book.find(made.key)
    clients.revoke(connection, REGION, KEYS, made.client.id, at=2)
    book.forget()
    assert await book.find(made.key) is None


async def test_a_guesser_causes_one_query_a_second(clock: Clock) -> None:
    queries = []

    async def load() -> list[Row]:
        queries.append(clock.now)
        return []

    book = ClientBook(KEYS, load, clock)
    for _ in range(100):
        await book.find("guess")
    assert len(queries) == 1


def test_a_client_is_revoked_once(connection: Connection) -> None:
    made = clients.create(connection, REGION, KEYS, "counter", Scope(), at=1)
    clients.revoke(connection, REGION, KEYS, made.client.id, at=2)
    with pytest.raises(NoSuchClient, match="onedoor clients list"):
        clients.revoke(connection, REGION, KEYS, made.client.id, at=3)
    assert [client.revoked_at for client in clients.listed(connection, REGION)] == [2]


def test_the_journal_knows_when_a_sender_was_made_and_revoked(connection: Connection) -> None:
    made = clients.create(connection, REGION, KEYS, "counter", Scope(), at=1)
    clients.revoke(connection, REGION, KEYS, made.client.id, at=2)
    rows = connection.rows("SELECT chain, seq, at, by, changes FROM journal ORDER BY seq")
    assert [(row["chain"], row["seq"], row["at"], row["by"]) for row in rows] == [
        (f"client:{made.client.id}", 1, 1, "operator"),
        (f"client:{made.client.id}", 2, 2, "operator"),
    ]
    assert json.loads(rows[1]["changes"]) == [["client", made.client.id, "working", "revoked", {}]]


def test_a_scope_survives_the_store(connection: Connection) -> None:
    scope = Scope(
        centres=frozenset({"a", "b"}), items=frozenset({"MZ004"}), sources=frozenset({"/s"}), may=frozenset(Right)
    )
    clients.create(connection, REGION, KEYS, "counter", scope, at=1)
    assert clients.listed(connection, REGION)[0].scope == scope


def test_an_empty_scope_covers_all() -> None:
    scope = Scope()
    row = {"item": "MZ004", "receiving_centre": "a", "accepting_centre": "b", "paper_holder": "c"}
    assert scope.covers_case(row)
    assert scope.covers_source("/any")
    assert all(scope.allows(right) for right in Right)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(centres=frozenset({"b"})), True),
        (Scope(centres=frozenset({"d"})), False),
        (Scope(items=frozenset({"MZ009"})), False),
        (Scope(items=frozenset({"MZ004"}), centres=frozenset({"c"})), True),
    ],
)
def test_a_case_is_in_reach_of_every_centre_that_has_to_do_with_it(scope: Scope, covered: bool) -> None:
    row = {"item": "MZ004", "receiving_centre": "a", "accepting_centre": "b", "paper_holder": "c"}
    assert scope.covers_case(row) is covered


def test_a_right_that_is_not_given_is_not_allowed() -> None:
    assert not Scope(may=frozenset({Right.READ})).allows(Right.SUBMIT)
