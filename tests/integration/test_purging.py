"""H07: what is older than the time to keep is purged with proof; what is younger stays; nobody else can pass a deletion off as one."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contracts.envelope import CaseEventKind
from hub import purging, seals
from hub.journal_verifier import Verdict, opened, verify
from hub.purging import Purge
from hub.settings import SettingsRefused, load_settings
from tests.journal_mutations import hash_of
from tests.shell import Shell
from tests.small_city import SmallCity

DAY = 86_400_000


@pytest.fixture
def city(tmp_path: Path) -> Iterator[SmallCity]:
    """Two archived cases of last year, an old one that still runs, a young archived one."""
    made = SmallCity(tmp_path)
    yield made
    made.connection.close()


def archived(city: SmallCity) -> str:
    case_no = city.submit("API1")
    city.tell(case_no, CaseEventKind.WITHDRAW)
    city.later(days=31)
    city.time_passes(case_no)
    assert city.status(case_no) == "80"
    return case_no


def purge(city: SmallCity, days: int = 365) -> Purge:
    before = city.at - days * DAY
    done: Purge = city.unit(lambda c: purging.purge(c, city.city.region, city.city.keys, before, city.at, "operator"))
    return done


def verdict_on(folder: Path) -> Verdict:
    with closing(opened(folder / "onedoor.db")) as connection:
        return verify(connection, sealed=True)


def entries(city: SmallCity, chain: str) -> int:
    return len(city.connection.rows("SELECT 1 AS one FROM journal WHERE chain = :c", {"c": chain}))


def test_only_what_is_archived_and_older_goes_and_every_seal_can_still_be_checked(
    city: SmallCity, tmp_path: Path
) -> None:
    old, older = archived(city), archived(city)
    running = city.submit("API1")
    city.unit(lambda c: seals.seal_now(c, city.city.region, city.city.keys, city.at))
    city.later(days=300)
    young = archived(city)
    before = verdict_on_after_sealing(city, tmp_path)
    done = purge(city, 320)
    assert (done.run, done.chains) == (1, 2)
    assert [entries(city, one) for one in (old, older)] == [0, 0]
    assert entries(city, running) > 0
    assert entries(city, young) > 0
    after = verdict_on(tmp_path)
    assert after.is_whole, after.findings
    assert after.purged == done.entries
    assert after.entries == before.entries - done.entries + 1
    assert purge(city, 320) == Purge(run=0, chains=0, entries=0)


def verdict_on_after_sealing(city: SmallCity, folder: Path) -> Verdict:
    city.unit(lambda c: seals.seal_now(c, city.city.region, city.city.keys, city.at))
    return verdict_on(folder)


def test_a_second_purge_has_a_proof_of_its_own(city: SmallCity, tmp_path: Path) -> None:
    archived(city)
    city.later(days=400)
    assert purge(city).run == 1
    archived(city)
    city.later(days=400)
    assert purge(city).run == 2
    assert verdict_on(tmp_path).is_whole


def test_a_deletion_is_not_passed_off_as_a_purge(city: SmallCity, tmp_path: Path) -> None:
    """Without an entry that vouches, with one of its own making, and with a purge that really was and is changed."""
    purged_one, case_no = archived(city), archived(city)
    city.later(days=400)
    young = archived(city)
    assert purge(city).chains == 2
    city.connection.close()
    database = tmp_path / "onedoor.db"
    good = database.read_bytes()
    with closing(sqlite3.connect(database)) as raw, raw:
        hashes = b"".join(
            bytes.fromhex(row[0])
            for row in raw.execute("SELECT hash FROM journal WHERE chain = ? ORDER BY seq", (young,))
        )
        raw.execute("INSERT INTO journal_purged VALUES ('310000', ?, 1, 2, ?)", (young, hashes))
        raw.execute("DELETE FROM journal WHERE chain = ?", (young,))
    assert any("which no entry of the journal vouches for" in one.text for one in verdict_on(tmp_path).findings)
    with closing(sqlite3.connect(database)) as raw, raw:
        region, chain, seq, at, by, changes, found, mark = raw.execute(
            "SELECT * FROM journal WHERE chain = 'journal' ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        told = json.loads(changes)
        told[0][1], told[0][4]["digest"] = "2", "0" * 64
        row = {
            "region": region,
            "chain": chain,
            "seq": seq + 1,
            "at": at,
            "by": by,
            "changes": json.dumps(told, separators=(",", ":")),
        }
        raw.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row.values(), hash_of(found, row), mark))
    assert not verdict_on(tmp_path).is_whole
    database.write_bytes(good)
    with closing(sqlite3.connect(database)) as raw, raw:
        raw.execute("UPDATE journal_purged SET hashes = zeroblob(length(hashes)) WHERE chain = ?", (case_no,))
    texts = [one.text for one in verdict_on(tmp_path).findings]
    assert any(text.startswith(f"{case_no} entry 1 is not the one that was sealed") for text in texts)
    assert not any(text.startswith(purged_one) for text in texts)


def test_less_than_half_a_year_is_not_kept_by_any_setting() -> None:
    with pytest.raises(SettingsRefused, match=r"journal_days: Input should be greater than or equal to 180"):
        load_settings(None, journal_days=179)
    assert load_settings(None, journal_days=180).journal_days == 180


def test_the_command_purges_nothing_that_is_young(place: Shell) -> None:
    place.done("clients", "create", "--name", "x")
    assert json.loads(place.done("journal", "purge", "--by", "staff-1", "--json")) == {
        "run": 0,
        "chains": 0,
        "entries": 0,
    }
    assert "nothing is older than 365 days" in place.run("journal", "purge")[2]
