"""The verifier: one file, nothing of the hub, every mutation found by name. ``make mutations`` makes ten thousand of them."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import journal_verifier
from hub.journal_verifier import CannotLook, anchored, opened, typed, verify
from tests.journal_mutations import MUTATIONS, Sealed, looked_at, make, rolled_back, run

NUMBER = int(os.environ.get("MUTATIONS", "600"))
SOURCE = Path(journal_verifier.__file__)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A sealed journal; each test leaves it as it was."""
    sealed = make(tmp_path_factory.mktemp("sealed"))
    yield sealed
    sealed.connection.close()


def test_a_journal_that_nobody_touched_is_whole(made: Sealed) -> None:
    verdict = verify(made.connection, key=made.key, heads=made.heads, sealed=True)
    assert verdict.is_whole
    assert (verdict.entries, verdict.seals, verdict.pending) == (len(made.entries), len(made.heads), 0)
    assert verdict.entries > 100


def test_every_mutation_is_detected_and_its_row_named(made: Sealed) -> None:
    began = time.monotonic()
    tally = run(made, NUMBER, seed=int(os.environ.get("MUTATIONS_SEED", "1")))
    assert tally.missed == []
    assert tally.misplaced == []
    assert tally.made.total() == NUMBER
    assert set(tally.made) == {*MUTATIONS, "rollback of the whole database"}
    assert looked_at(made) == []
    _write(made, dict(tally.made), time.monotonic() - began)


def _write(made: Sealed, kinds: dict[str, int], seconds: float) -> None:
    """What came of it, where somebody asked for it."""
    target = os.environ.get("MUTATIONS_RESULT")
    if target is not None:
        found = {
            "mutations": sum(kinds.values()),
            "detected": sum(kinds.values()),
            "located": sum(kinds.values()),
            "kinds": kinds,
            "entries": len(made.entries),
            "seals": len(made.heads),
            "seconds": round(seconds, 1),
        }
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def test_without_an_anchor_a_rollback_is_not_seen_which_is_why_there_is_one(made: Sealed) -> None:
    assert verify(opened(made.copies[1]), key=made.key, sealed=True).is_whole
    (finding,) = verify(opened(made.copies[1]), heads=made.heads, sealed=True).findings
    assert finding.kind == "rollback"
    assert "seals 3 to 6 of epoch 1 were noted outside and are not here" in finding.text
    assert "which ends at seal 2" in finding.text


def test_the_verifier_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names} | {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    foreign = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert foreign == {"cryptography"}


def _alone(made: Sealed, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """A copy of the one file, run where nothing of ours can be imported."""
    copy = shutil.copy(SOURCE, folder / "verify_journal.py")
    anchor = folder / "heads.jsonl"
    anchor.write_text("".join(json.dumps(head) + "\n" for head in made.heads) + '{"cut off', encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-I", str(copy), str(made.file), "--anchor", str(anchor), "--key", made.key, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_the_copied_file_gives_the_same_verdict_by_itself(made: Sealed, tmp_path: Path) -> None:
    done = _alone(made, tmp_path, "--sealed", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    verdict = verify(made.connection, key=made.key, heads=made.heads, sealed=True)
    assert (told["whole"], told["entries"], told["head"]) == (True, verdict.entries, verdict.head)


def test_the_copied_file_names_the_row_and_ends_with_one(made: Sealed, tmp_path: Path) -> None:
    chain, seq = made.entries[len(made.entries) // 2]
    made.connection.execute("UPDATE journal SET at = at + 1 WHERE chain = ? AND seq = ?", (chain, seq))
    try:
        done = _alone(made, tmp_path)
    finally:
        made.connection.execute("UPDATE journal SET at = at - 1 WHERE chain = ? AND seq = ?", (chain, seq))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{chain} entry {seq} does not follow from the one before it\n")
    assert done.stdout.endswith("1 FINDINGS\n")


def test_a_head_typed_from_paper_is_compared(made: Sealed) -> None:
    last = made.heads[-1]
    grouped = " ".join(last["hash"][place : place + 8] for place in range(0, 64, 8))
    assert verify(made.connection, heads=[typed(f"1-{last['number']}-{grouped}")]).is_whole
    (finding,) = verify(made.connection, heads=[typed(f"1-99-{grouped}")]).findings
    assert finding.kind == "rollback"
    with pytest.raises(CannotLook, match="is not a head: EPOCH-NUMBER-HASH"):
        typed("1-2-abc")


def test_seals_of_another_key_are_told_apart_by_the_anchor_even_without_the_key(made: Sealed) -> None:
    stranger = [{**head, "signer": "00" * 32} for head in made.heads]
    kinds = {finding.kind for finding in verify(made.connection, heads=stranger).findings}
    assert kinds == {"signature", "anchor"}


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no database, but long enough to be read")]
)
def test_what_cannot_be_read_is_said_and_ends_with_two(tmp_path: Path, spoil: "object") -> None:
    path = tmp_path / "none.db"
    path.touch()
    assert callable(spoil)
    spoil(path)
    done = subprocess.run([sys.executable, str(SOURCE), str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    (tmp_path / "bad.jsonl").write_text("no JSON\n", encoding="utf-8")
    with pytest.raises(CannotLook, match=r"the anchor .* cannot be read"):
        anchored(tmp_path / "bad.jsonl")


def test_an_older_copy_is_told_from_the_newest_one(made: Sealed) -> None:
    import random  # noqa: PLC0415 - only here

    assert all(rolled_back(random.Random(seed), made) for seed in range(5))


def test_verifying_costs_little_more_than_hashing_the_same_bytes(made: Sealed) -> None:
    """50,000 rows a second, said as a ratio that holds on any machine; `make bench` gives the figure."""
    rows = made.connection.execute('SELECT chain, at, "by", changes, hash FROM journal').fetchall()
    texts = ["".join(map(str, row)).encode() for row in rows]

    def plain() -> None:
        for _ in range(20):
            for text in texts:
                hashlib.sha256(text).hexdigest()

    def ours() -> None:
        for _ in range(20):
            reader = journal_verifier.Verifier(made.connection, None)
            reader.read_entries("310000", "sha256")

    assert _cpu(ours) < 20 * _cpu(plain)


def _cpu(work: "object") -> float:
    assert callable(work)
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best
