"""What the oracle reads of the folders of a file exchange."""

import hashlib
from pathlib import Path

from simulators.oracle.checks import files_agree
from simulators.oracle.evidence import Evidence, Row, sent_files


def test_neither_of_two_files_of_one_name_hides_the_other(tmp_path: Path) -> None:
    """One in ``out``, one in ``taken``, a third kept beside that: each is a batch; and a file sent again counts once."""
    place = tmp_path / "files" / "XX-file"
    contents = {"out/A_1.txt": b"one", "taken/A_1.txt": b"two", "taken/A_1~2.txt": b"three"}
    for name, content in {**contents, "out/B_1.txt": b"four", "taken/B_1.txt": b"four"}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        (place / name).with_suffix(".ok").write_bytes(b"of " + content)
    found = sent_files(tmp_path / "files")
    assert sorted(one.path for one in found["XX-file"] if one.path.endswith(".txt")) == sorted(
        [*contents, "taken/B_1.txt"]
    )

    def judged(*batches: bytes) -> list[str]:
        rows: list[Row] = [
            {"situation": "file_drop", "system": "XX-file", "state": "sent", "digest": hashlib.sha256(one).hexdigest()}
            for one in batches
        ]
        evidence = Evidence(
            sent=[],
            tables={"batch": rows},
            earlier={},
            later={},
            systems=frozenset(),
            files_before=found,
            files_after=found,
        )
        return list(files_agree(evidence).found)

    assert judged(b"one", b"two", b"three", b"four") == []
    assert [one.split()[1] for one in judged(b"two", b"three", b"four")] == ["out/A_1.txt:", "taken/A_1.ok:"]
    assert len(judged(b"one", b"two", b"three", b"four", b"five")) == 1
