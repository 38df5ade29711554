"""A person's data is erased: nobody can read it again, the journal stays whole; and cases are found without a bare hash."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contracts.delivery import Completed, Decision
from contracts.envelope import CaseEventKind, MaterialRef
from hub import case_index, erasing, seals
from hub.clients import Client, Scope
from hub.erasing import EraseOrder, Erasure
from hub.journal_verifier import opened, verify
from hub.keys import Erased, KeyRefused, Keys
from hub.results import NotAllowed, NotFoundHere
from hub.store import erased as statements
from hub.store.blobs import Blobs
from hub.views import case_view
from tests.front_door import front_door
from tests.shell import Shell
from tests.small_city import SmallCity

ORDER = EraseOrder(by="staff-1", reason="request")
PERSON = {"name": "钱样例", "id_type": "111", "id_no": "11010119900307857X"}


@pytest.fixture
def city(tmp_path: Path) -> SmallCity:
    return SmallCity(tmp_path)


def ended(city: SmallCity, **more: Any) -> str:
    """A case of a person, granted and answered, then served and closed by withdrawal of what is left."""
    case_no = city.submit("API1", applicant=PERSON, **more)
    city.send("AA-api", Completed(decision=Decision.GRANTED, fields={"remark": "样例答复"}))
    (task,) = city.tasks(case_no, "deliver")
    city.complete(task["id"], decision="done")
    return case_no


def erase(city: SmallCity, case_no: str) -> Erasure:
    done: Erasure = city.unit(lambda c: erasing.erase(c, city.city, case_no, ORDER, city.at))
    return done


def seal(city: SmallCity) -> None:
    city.unit(lambda c: seals.seal_now(c, city.city.region, city.city.keys, city.at))


def test_what_was_sealed_cannot_be_read_again_and_the_journal_stays_whole(city: SmallCity, tmp_path: Path) -> None:
    case_no, other = ended(city), ended(city)
    seal(city)
    wrapped = city.case(case_no)["sealed_key"]
    opening = city.city.keys.case_key(wrapped)
    assert (
        "样例答复"
        in opening.unseal(city.connection.rows("SELECT sealed_body FROM reply")[0]["sealed_body"], "reply").decode()
    )
    done = erase(city, case_no)
    erasing.clean_up(city.city.keys, Blobs(tmp_path / "blobs", city.city.keys), done)
    seal(city)
    row = city.case(case_no)
    assert (row["sealed_key"], row["sealed_data"], row["flags"]) == (b"", b"", "erased")
    with pytest.raises(Erased, match="was erased"):
        city.city.keys.case_key(row["sealed_key"])
    assert city.city.keys.case_key(city.case(other)["sealed_key"]).wrapped
    with closing(opened(tmp_path / "onedoor.db")) as connection:
        verdict = verify(connection, sealed=True)
    assert verdict.is_whole, verdict.findings
    view = case_view(
        city.connection,
        city.city.region,
        city.city.keys,
        Client(id="x", name="x", scope=Scope(), created_at=0),
        case_no,
    )
    assert view.flags == ("erased",)
    assert {step.reply for step in view.steps} == {None}
    told = [(line.kind, line.to_state, line.by) for line in view.journal][-2:]
    assert told == [("erasure", "erased", "staff-1"), ("flag", "up", "staff-1")]


def test_nothing_of_the_key_is_left_in_the_database_or_its_log(city: SmallCity, tmp_path: Path) -> None:
    case_no = ended(city)
    wrapped = bytes(city.case(case_no)["sealed_key"])
    erase(city, case_no)
    assert statements.empty_log(tmp_path / "onedoor.db")
    written = b"".join(path.read_bytes() for path in tmp_path.glob("onedoor.db*"))
    assert wrapped not in written
    assert case_no.encode() in written


def test_erasing_twice_is_said_and_changes_nothing(city: SmallCity) -> None:
    case_no = ended(city)
    assert not erase(city, case_no).again
    before = city.connection.rows("SELECT count(*) AS n FROM journal")
    assert erase(city, case_no).again
    assert city.connection.rows("SELECT count(*) AS n FROM journal") == before


def test_a_case_that_is_not_at_its_end_is_not_erased(city: SmallCity) -> None:
    case_no = city.submit("API1", applicant=PERSON)
    with pytest.raises(NotAllowed, match="is not at its end"):
        erase(city, case_no)
    with pytest.raises(NotFoundHere):
        erase(city, "000")
    with pytest.raises(NotAllowed, match="the reason is a code"):
        city.unit(lambda c: erasing.erase(c, city.city, case_no, EraseOrder(by="x", reason="钱样例"), city.at))


def test_an_answer_that_still_comes_for_an_erased_case_is_counted_and_not_kept(city: SmallCity) -> None:
    case_no = ended(city)
    delivery = city.deliveries(case_no)[0]["id"]
    erase(city, case_no)
    change = city.reply(delivery, Completed(decision=Decision.REFUSED, fields={"remark": "太晚"}))
    assert change.verdict == "unknown_delivery"
    kept = city.connection.rows(
        "SELECT sealed_body FROM reply WHERE delivery = :d AND verdict = 'unknown_delivery'", {"d": delivery}
    )
    assert [row["sealed_body"] for row in kept] == [None]


def test_an_upload_goes_with_its_last_case(city: SmallCity, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs", city.city.keys)
    shared, own = blobs.put(b"shared scan"), blobs.put(b"own scan")
    first = ended(city, materials=tuple(MaterialRef(material="M1", key=key) for key in (shared, own)))
    second = ended(city, materials=(MaterialRef(material="M1", key=shared),))
    for case_no, left in ((first, {shared}), (second, set())):
        erasing.clean_up(city.city.keys, blobs, erase(city, case_no))
        assert {key for key in (shared, own) if any((tmp_path / "blobs").rglob(key))} == left


def test_a_file_in_which_a_case_travelled_goes_too(city: SmallCity, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs", city.city.keys)
    case_no = ended(city)
    key = blobs.put("钱样例".encode())
    delivery = city.deliveries(case_no)[0]["id"]
    batch = dict.fromkeys(("id", "system", "situation", "digest"), "b1") | {"blob": key, "state": "closed"}
    numbers = dict.fromkeys(("sequence", "members", "sealed_at", "changed_at"), 1)
    city.unit(lambda c: c.insert("batch", {"region": city.city.region, **batch, **numbers}))
    city.unit(lambda c: c.run("UPDATE attempt SET batch = 'b1' WHERE delivery = :d", {"d": delivery}))
    done = erase(city, case_no)
    assert done.blobs == (key,)
    erasing.clean_up(city.city.keys, blobs, done)
    assert not any((tmp_path / "blobs").rglob(key))


# --- the blind index ---------------------------------------------------------------------------------------------------


def found(city: SmallCity, kind: str, plain: str, scope: Scope | None = None) -> tuple[str, ...]:
    return case_index.find(city.connection, city.city.region, city.city.keys, scope or Scope(), kind, plain)


def test_a_case_is_found_by_number_and_name_however_they_are_typed(city: SmallCity) -> None:
    case_no = city.submit("API1", applicant=PERSON)
    other = city.submit("API1", applicant={**PERSON, "name": "孙样例", "id_no": "110101199003078588"})
    assert found(city, "identity", "11010119900307857x") == (case_no,)
    assert found(city, "identity", " １１０１０１１９９００３０７８５７Ｘ") == (case_no,)
    assert found(city, "name", "孙样例") == (other,)
    assert found(city, "name", "孙") == ()
    assert found(city, "name", "孙样例", Scope(centres=frozenset({"310101901"}))) == ()


def test_a_correction_changes_what_a_case_is_found_by(city: SmallCity) -> None:
    case_no = city.submit("API1", applicant=PERSON, accepted=False)
    city.tell(case_no, CaseEventKind.ASK_CORRECTION, reason_code="A1", wanted=("applicant.name",))
    city.tell(case_no, CaseEventKind.CORRECTED, applicant={"name": "钱更正"})
    assert found(city, "name", "钱样例") == ()
    assert found(city, "name", "钱更正") == (case_no,)
    assert found(city, "identity", PERSON["id_no"]) == (case_no,)


def test_erasing_takes_a_case_out_of_the_index(city: SmallCity) -> None:
    case_no = ended(city)
    erase(city, case_no)
    assert found(city, "identity", PERSON["id_no"]) == ()
    assert city.connection.rows("SELECT * FROM case_index") == []


def test_equal_numbers_in_two_cases_leave_nothing_that_could_be_guessed(city: SmallCity) -> None:
    """A bare hash of an identity number is guessed in a minute: there are 36 million in a county. A keyed one is not."""
    city.submit("API1", applicant=PERSON)
    city.submit("API1", applicant=PERSON)
    written = json.dumps(city.connection.rows("SELECT * FROM case_index"))
    for plain in PERSON.values():
        for form in (plain, plain.lower(), f"identity:{plain}", f"name:{plain}"):
            for algorithm in ("md5", "sha1", "sha256", "sm3"):
                for encoding in ("utf-8", "gb18030"):
                    assert hashlib.new(algorithm, form.encode(encoding)).hexdigest()[:32] not in written
    mine = city.city.keys.index_value("identity", PERSON["id_no"])
    assert mine in written
    assert Keys(b"o" * 32, suite=city.city.keys.suite).index_value("identity", PERSON["id_no"]) != mine
    assert city.city.keys.index_value("name", PERSON["id_no"]) != mine


# --- the commands ------------------------------------------------------------------------------------------------------


async def _closed(shell: Shell) -> tuple[str, str]:
    """A place with a case that was voided, and its applicant's number."""
    async with front_door(shell.folder) as door:
        case_no = await door.received()
        status, body = await door.event(case_no, event="withdraw")
        assert status == 202, body
        row = await door.hub.read(lambda c: c.row("SELECT sealed_key, sealed_data FROM case_file"))
        assert row is not None
        data = json.loads(door.hub.keys.case_key(row["sealed_key"]).unseal(row["sealed_data"], "data"))
    (shell.folder / "onedoor.toml").write_text(f'data = "{shell.folder / "data"}"\nport = 0\n')
    return case_no, data["applicant"]["id_no"]


async def test_a_case_is_found_and_erased_from_the_command_line_while_no_hub_runs(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_no, number = await _closed(shell)
    monkeypatch.setattr("typer.prompt", lambda text, err: number)
    assert shell.done("cases", "find") == f"{case_no}\n"
    assert json.loads(shell.done("cases", "find", "--json")) == [case_no]
    done = json.loads(shell.done("cases", "erase", case_no, "--by", "staff-1", "--yes", "--json"))
    assert (done["case_no"], done["again"]) == (case_no, False)
    assert shell.done("cases", "find") == ""
    assert shell.run("cases", "erase", case_no, "--yes")[2] == f"case {case_no} had been erased before\n"
    assert "0 not sealed yet" in shell.done("journal", "verify") or "whole" in shell.done("journal", "verify")
    assert "check the number" in shell.refused("cases", "erase", "310104901202603020000999", "--yes")


async def test_a_case_is_erased_through_a_running_hub(shell: Shell) -> None:
    async with front_door(shell.folder) as door:
        case_no = await door.received()
        assert (await door.event(case_no, event="withdraw"))[0] == 202
        order = {"by": "staff-1", "reason": "request"}
        status, body = await door.local("POST", f"/admin/cases/{case_no}/erase", json=order)
        assert (status, body["again"]) == (200, False)
        page = await door.case(case_no)
        assert page["flags"] == ["erased"]
        status, numbers = await door.local("POST", "/admin/cases/find", json={"kind": "name", "plain": "样例"})
        assert (status, numbers) == (200, [])
    with closing(sqlite3.connect(shell.folder / "data" / "onedoor.db")) as raw:
        assert raw.execute("SELECT sealed_key FROM case_file").fetchall() == [(b"",)]
    with pytest.raises(KeyRefused):
        Keys(b"o" * 32).case_key(b"")
