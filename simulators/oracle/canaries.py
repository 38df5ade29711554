"""I8: personal data that everybody can recognise, searched for in every form in which it could leak.

A canary is a name or a number of a synthetic resident. None may stand in a log, a metrics text, the journal or anywhere in the
database file and its write-ahead log, as UTF-8 or GB18030, percent-encoded, as JSON escapes, in base64 or in hex.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from simulators.oracle.findings import Check

SHORTEST: Final = 6
"""Bytes. Shorter forms turn up in ciphertext by chance; in text files they are searched for all the same."""


def forms(canary: str) -> Mapping[str, bytes]:
    """Every form by its name."""
    plain = {"utf-8": canary.encode(), "gb18030": canary.encode("gb18030")}
    found = dict(plain)
    for name, content in plain.items():
        found[f"{name} percent"] = quote(content, safe="").encode()
        found[f"{name} hex"] = content.hex().encode()
        found[f"{name} HEX"] = content.hex().upper().encode()
        for shift in range(3):
            found[f"{name} base64+{shift}"] = _base64_core(content, shift)
    escaped = json.dumps(canary).strip('"')
    found["json"] = escaped.encode()
    return {name: content for name, content in found.items() if content}


def _base64_core(content: bytes, shift: int) -> bytes:
    """The part of the base64 text that does not depend on what stands before or after."""
    text = base64.b64encode(b"\0" * shift + content)
    first = -(-shift * 8 // 6)
    whole = (shift + len(content)) * 8 // 6
    return text[first:whole]


def no_leaks(canaries: Iterable[str], database: Path, texts: Iterable[Path]) -> Check:
    """Look through the database's files and the text files (folders are searched whole)."""
    check = Check()
    wanted = [(canary, forms(canary)) for canary in canaries]
    binary = [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm"))]
    for path in [*(one for one in binary if one.exists()), *_files(texts)]:
        content = path.read_bytes()
        shortest = SHORTEST if path in binary else 1
        for number, (_, encoded) in enumerate(wanted, 1):
            leaked = sorted({name for name, form in encoded.items() if len(form) >= shortest and form in content})
            # The finding must not leak it again: the number of its line in the list says which it is.
            check.expect(not leaked, f"{path.name}: holds canary {number} as {', '.join(leaked)}")
    return check


def read_canaries(path: Path) -> list[str]:
    """One a line."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _files(texts: Iterable[Path]) -> list[Path]:
    found = []
    for path in texts:
        found += sorted(one for one in path.glob("**/*") if one.is_file()) if path.is_dir() else [path]
    return found
