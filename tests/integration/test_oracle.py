"""The oracle finds each planted corruption, by the right invariant, and has nothing to say against a clean world.

One real world is made for the whole module; each test spoils a copy of what it left behind.
"""

import ast
import asyncio
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import simulators.oracle
from simulators.oracle.seals import HASHES
from tests.fast_city import SETTINGS, ask_the_oracle, fast_city, metrics_of, short_folder, write_canaries

ITEMS = ("DA001", "DA002", "MZ004", "MZ006", "MZ011", "MZ012", "JY004", "WJ002", "WJ003")


@pytest.fixture(scope="module")
def clean_world() -> Iterator[Path]:
    """What a hub and its city left behind after a handful of cases over all three situations."""
    with short_folder() as folder:
        asyncio.run(_live(folder))
        yield folder


async def _live(folder: Path) -> None:
    # Nothing may move between the metrics and the end, so nothing is archived.
    async with fast_city(folder, settings={**SETTINGS, "archive_after_days": 30}) as city:
        for item in ITEMS:
            city.hand_in(item)
        await city.all_acknowledged()
        live = await asyncio.gather(*(city.ask_the_oracle() for _ in range(2)))
        (folder / "live.json").write_text(json.dumps([report for _, report in live]), encoding="utf-8")
        await city.world.settled(60)
        write_canaries(city)
        await metrics_of(city)
        assert await city.world.hub.stop() == 0


@pytest.fixture
def spoilt(clean_world: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    copy = tmp_path / "world"
    shutil.copytree(clean_world, copy, ignore=shutil.ignore_patterns("*.sock", "site", "sheets"))
    return copy


async def judge(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """With every option there is."""
    everything = ("--logs", folder / "logs", "--canaries", folder / "canaries.txt", "--stopped", *options)
    return await ask_the_oracle(folder, *map(str, everything))


def failed(report: dict[str, Any]) -> set[str]:
    return {name for name, one in report["invariants"].items() if not one["ok"]}


def change(folder: Path, statement: str, *values: Any) -> None:
    """Change the database as no hub would."""
    connection = sqlite3.connect(folder / "data" / "onedoor.db")
    with connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def read(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "data" / "onedoor.db")
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def ledger_entries(folder: Path, system: str) -> list[dict[str, str]]:
    lines = (folder / "ledgers" / f"{system}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def append_entry(folder: Path, ledger: str, **entry: str) -> None:
    with (folder / "ledgers" / f"{ledger}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


async def test_a_clean_world_passes_every_invariant(clean_world: Path) -> None:
    code, report = await judge(clean_world, "--metrics", str(clean_world / "metrics.txt"))
    assert report["invariants"].keys() == {f"I{number}" for number in range(1, 9)}
    assert failed(report) == set(), report
    assert (code, report["verdict"], report["lost"], report["undetected_duplicates"]) == (0, "ok", 0, 0)
    assert all(one["checked"] > 0 for name, one in report["invariants"].items() if name != "I4")


def test_it_may_look_while_the_hub_works(clean_world: Path) -> None:
    reports = json.loads((clean_world / "live.json").read_text(encoding="utf-8"))
    assert [failed(report) for report in reports] == [set()] * len(reports), reports
    assert all(report["invariants"]["I1"]["checked"] >= len(ITEMS) for report in reports)


def test_the_oracle_imports_nothing_of_the_hub() -> None:
    imported = set()
    for path in Path(simulators.oracle.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
            elif isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
    assert not {name for name in imported if name.split(".")[0] in ("hub", "plugins", "adapters", "contracts")}
    assert {name for name in imported if name.startswith("simulators")} <= {
        "simulators.oracle",
        *(f"simulators.oracle.{name}" for name in ("canaries", "checks", "evidence", "findings", "replay", "seals")),
    }


def _delete_delivery(folder: Path) -> None:
    change(folder, "DELETE FROM delivery WHERE id = (SELECT min(id) FROM delivery WHERE system = 'MZ-elder')")


def _delete_case(folder: Path) -> None:
    change(folder, "DELETE FROM case_file WHERE case_no = (SELECT min(case_no) FROM case_file)")


def _delete_message(folder: Path) -> None:
    change(folder, "DELETE FROM inbox WHERE id = 'DA001-1'")


def _give_message_to_another_case(folder: Path) -> None:
    change(
        folder,
        "UPDATE inbox SET case_no = (SELECT max(case_no) FROM case_file WHERE case_no <> inbox.case_no) WHERE id = 'DA001-1'",
    )


def _double_effect(folder: Path) -> None:
    entry = next(one for one in ledger_entries(folder, "DA-archive") if one["kind"] == "effect")
    append_entry(folder, "DA-archive", **entry)


def _double_arrival(folder: Path) -> None:
    entry = next(one for one in ledger_entries(folder, "WJ-family") if one["kind"] == "arrival")
    append_entry(folder, "WJ-family", **entry)


def _forget_the_doubt(folder: Path) -> None:
    """A second attempt that nobody marked: the department took the message twice, and nobody knows."""
    _double_arrival(folder)
    (delivery,) = read(folder, "SELECT min(id) FROM delivery WHERE system = 'WJ-family'")
    columns = "region, delivery, 2, case_no, situation, fence, state, 0, batch, started_at, ended_at, error_code"
    change(folder, f"INSERT INTO attempt SELECT {columns} FROM attempt WHERE delivery = ?", delivery[0])


def _print_in_secret(folder: Path) -> None:
    entry = next(one for one in ledger_entries(folder, "clerk") if one["kind"] == "arrival")
    append_entry(folder, "clerk", **entry)


def _claim_an_effect(folder: Path) -> None:
    path = folder / "ledgers" / "MZ-marriage.jsonl"
    kept = [one for one in ledger_entries(folder, "MZ-marriage") if one["kind"] != "effect"]
    path.write_text("".join(json.dumps(one) + "\n" for one in kept), encoding="utf-8")


def _swap_reply(folder: Path) -> None:
    """Journal and table agree on it; only the department knows better."""
    path = folder / "ledgers" / "MZ-elder.jsonl"
    swapped = {"completed.granted": "completed.refused", "completed.refused": "completed.granted"}
    entries = [{**one, "note": swapped.get(one["note"], one["note"])} for one in ledger_entries(folder, "MZ-elder")]
    path.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")


def _swap_stored_reply(folder: Path) -> None:
    change(
        folder,
        "UPDATE reply SET kind = CASE kind WHEN 'granted' THEN 'refused' ELSE 'granted' END WHERE system = 'MZ-elder'",
    )


def _strange_delivery(folder: Path) -> None:
    append_entry(
        folder, "MZ-elder", kind="arrival", system="MZ-elder", delivery_id="nobody", operation="x", digest="", note=""
    )


def _leave_claimed(folder: Path) -> None:
    change(folder, "UPDATE delivery SET state = 'claimed', lease_until = 1 WHERE system = 'MZ-elder'")


def _edit_journal(folder: Path) -> None:
    change(folder, "UPDATE journal SET \"by\" = 'somebody' WHERE seq = 2")


def _rewrite_journal(folder: Path) -> None:
    change(folder, "UPDATE journal SET changes = replace(changes, 'granted', 'refused') WHERE changes LIKE '%granted%'")


def _cut_journal_tail(folder: Path) -> None:
    change(
        folder,
        "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal AS j WHERE j.chain = journal.chain)"
        " AND chain NOT LIKE 'system:%'",
    )


def _cut_journal_middle(folder: Path) -> None:
    change(folder, "DELETE FROM journal WHERE seq = 3")


def _edit_seal(folder: Path) -> None:
    change(folder, "UPDATE seal SET at = at + 1 WHERE number = (SELECT max(number) FROM seal)")


def _cut_seals(folder: Path) -> None:
    """Only the anchor knows that there were more."""
    change(folder, "DELETE FROM seal")


def _rechain(folder: Path) -> None:
    """The last entry of a chain by another hand, with its hash put right, as anybody can."""
    (row,) = read(
        folder,
        "SELECT max(chain), seq, before, region, at, changes FROM (SELECT chain, seq, region, at, changes,"
        " lag(hash) OVER (PARTITION BY chain ORDER BY seq) AS before,"
        " row_number() OVER (PARTITION BY chain ORDER BY seq DESC) AS place FROM journal) WHERE place = 1",
    )
    chain, seq, before, region, at, changes = row
    text = json.dumps([region, chain, seq, at, "somebody", changes], separators=(",", ":"), ensure_ascii=False)
    suite = read(folder, "SELECT suite FROM key_check")[0][0]
    found = hashlib.new(HASHES[suite], (before or "0" * 64).encode() + text.encode()).hexdigest()
    change(folder, 'UPDATE journal SET "by" = ?, hash = ? WHERE chain = ? AND seq = ?', "somebody", found, chain, seq)


def _change_step(folder: Path) -> None:
    change(folder, "UPDATE case_step SET state = 'skipped' WHERE rowid = (SELECT min(rowid) FROM case_step)")


def _change_status(folder: Path) -> None:
    change(folder, "UPDATE case_file SET status = '50' WHERE case_no = (SELECT max(case_no) FROM case_file)")


def _lose_step(folder: Path) -> None:
    change(folder, "DELETE FROM case_step WHERE step = 's3' AND case_no = (SELECT max(case_no) FROM case_file)")


def _foreign_file(folder: Path) -> None:
    (folder / "files" / "WJ-family" / "out" / "WJ_20260302_099.txt").write_text("nobody sent this")


def _lose_file(folder: Path) -> None:
    for path in (folder / "files" / "WJ-family" / "taken").iterdir():
        path.unlink()


def _data_file(folder: Path) -> Path:
    return next((folder / "files" / "WJ-family" / "taken").glob("*.txt"))


def _another_file_of_its_name_not_taken_yet(folder: Path) -> None:
    (folder / "files" / "WJ-family" / "out" / _data_file(folder).name).write_text("another content")


def _another_file_of_its_name(folder: Path) -> None:
    path = _data_file(folder)
    path.with_name(f"{path.stem}~2{path.suffix}").write_text("another content")


def _leak(form: Callable[[str], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        name = max((folder / "canaries.txt").read_text(encoding="utf-8").split(), key=len)
        with (folder / "logs" / "hub.log").open("ab") as log:
            log.write(b"oops: " + form(name) + b"\n")

    return spoil


def _leak_into_database(folder: Path) -> None:
    name = (folder / "canaries.txt").read_text(encoding="utf-8").split()[0]
    change(folder, "UPDATE client SET name = ?", name)


PLANTED = {
    "a deleted delivery row": (_delete_delivery, {"I3", "I5"}),
    "a deleted case row": (_delete_case, {"I1", "I5"}),
    "a deleted message": (_delete_message, {"I1"}),
    "a message under another case": (_give_message_to_another_case, {"I1"}),
    "a doubled effect": (_double_effect, {"I3"}),
    "a doubled arrival": (_double_arrival, {"I3"}),
    "a second attempt that was not marked": (_forget_the_doubt, {"I3", "I5"}),
    "a sheet printed in secret": (_print_in_secret, {"I3"}),
    "a claimed effect": (_claim_an_effect, {"I3"}),
    "a swapped reply": (_swap_reply, {"I3"}),
    "a swapped stored reply": (_swap_stored_reply, {"I3", "I5"}),
    "a delivery that the hub does not know": (_strange_delivery, {"I3"}),
    "a claim that nobody holds": (_leave_claimed, {"I4", "I5"}),
    "an edited journal row": (_edit_journal, {"I5"}),
    "a rewritten change": (_rewrite_journal, {"I5"}),
    "a cut journal tail": (_cut_journal_tail, {"I5"}),
    "a row missing in the middle": (_cut_journal_middle, {"I5"}),
    "an edited seal": (_edit_seal, {"I5"}),
    "seals cut off": (_cut_seals, {"I5"}),
    "a re-chained tail": (_rechain, {"I5"}),
    "a changed step state": (_change_step, {"I5"}),
    "a changed case status": (_change_status, {"I5"}),
    "a lost step": (_lose_step, {"I2", "I5"}),
    "a foreign file": (_foreign_file, {"I6"}),
    "a lost file": (_lose_file, {"I6"}),
    "another content under a name that was taken": (_another_file_of_its_name, {"I6"}),
    "the same before it was taken": (_another_file_of_its_name_not_taken_yet, {"I6"}),
    "a name in a log": (_leak(str.encode), {"I8"}),
    "a name in a log in GBK": (_leak(lambda name: name.encode("gb18030")), {"I8"}),
    "a name in a log in hex": (_leak(lambda name: name.encode().hex().encode()), {"I8"}),
    "a name in a log as JSON": (_leak(lambda name: json.dumps(name).encode()), {"I8"}),
    "a name in the database": (_leak_into_database, {"I8"}),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_planted_corruption_is_found_by_the_right_invariant(spoilt: Path, planted: str) -> None:
    spoil, wanted = PLANTED[planted]
    spoil(spoilt)
    code, report = await judge(spoilt)
    assert (code, report["verdict"]) == (1, "failed")
    assert failed(report) == wanted, report["invariants"]


async def test_doubles_and_losses_are_counted(spoilt: Path) -> None:
    _double_effect(spoilt)
    _double_arrival(spoilt)
    _delete_message(spoilt)
    _, report = await judge(spoilt)
    assert report["undetected_duplicates"] == 2
    assert report["lost"] > 0


async def test_a_gauge_that_tells_another_number_is_found(spoilt: Path) -> None:
    metrics = spoilt / "metrics.txt"
    text = metrics.read_text(encoding="utf-8")
    assert 'onedoor_cases{status="' in text
    metrics.write_text(text.replace('onedoor_cases{status="', 'onedoor_cases{status="9'), encoding="utf-8")
    _, report = await judge(spoilt, "--metrics", str(metrics))
    assert failed(report) == {"I7"}


async def test_a_department_that_acts_every_time_is_held_to_the_marks(spoilt: Path) -> None:
    """Where sending again is not safe a second effect is no fault of its own, if the try was marked."""
    _double_effect(spoilt)
    _, report = await judge(spoilt, "--resend-unsafe", "MZ-relief,DA-archive")
    (finding,) = report["invariants"]["I3"]["findings"]
    assert "DA-archive acted on it 2 times" in finding
    delivery = finding.partition(":")[0]
    change(spoilt, "UPDATE attempt SET possible_duplicate = 1 WHERE delivery = ?", delivery)
    assert failed((await judge(spoilt, "--resend-unsafe", "DA-archive"))[1]) == set()
    assert failed((await judge(spoilt))[1]) == {"I3"}


async def test_a_department_that_writes_ids_without_hyphens_is_believed(spoilt: Path) -> None:
    path = spoilt / "ledgers" / "DA-archive.jsonl"
    entries = [
        {**one, "delivery_id": one["delivery_id"].replace("-", "")} for one in ledger_entries(spoilt, "DA-archive")
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    _, report = await judge(spoilt)
    assert failed(report) == set(), report


def test_a_report_for_people_names_what_it_found(spoilt: Path) -> None:
    _delete_message(spoilt)
    asked = (
        "--database",
        spoilt / "data" / "onedoor.db",
        "--senders",
        spoilt / "senders",
        "--ledgers",
        spoilt / "ledgers",
    )
    told = subprocess.run(
        [sys.executable, "-m", "simulators.oracle", *map(str, asked)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "I1  FAILED (2)" in told.stdout
    assert "DA001-1: acknowledged as" in told.stdout
    assert "I5  ok" in told.stdout
    assert told.stdout.rstrip().endswith("possible duplicates 0: FAILED")


def test_an_oracle_that_cannot_look_says_so(tmp_path: Path) -> None:
    asked = ("--database", tmp_path / "none.db", "--senders", tmp_path, "--ledgers", tmp_path)
    told = subprocess.run(
        [sys.executable, "-m", "simulators.oracle", *map(str, asked)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "the oracle cannot look: unable to open database file" in told.stderr
