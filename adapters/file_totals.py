"""Header and trailer records: what a file says of itself, so that a reader can prove it whole.

    header  = { record_type = "H", fields = [{ name = "date", width = 8 }, { name = "rows", width = 8 }] }
    trailer = { record_type = "T", fields = [{ name = "rows", width = 8 }, { name = "md5", width = 32 }] }

Sums are whole cents. A digest and a number of bytes count every byte before the record that holds them, so that they can stand
in a trailer only.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from pydantic import Field

from adapters.record_verdicts import FileRejected
from contracts.records import record

Measure: TypeAlias = Literal["date", "time", "sequence", "rows", "amount_cents", "bytes", "md5", "sha256", "sm3"]
Digest: TypeAlias = Literal["md5", "sha256", "sm3"]


@record
class FileFacts:
    """What a file is told about itself when it is sealed. ``at``: local time of the site. ``secret`` opens a secret by name."""

    name: str = ""
    sequence: int = 0
    at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    secret: Callable[[str], str] = field(default=lambda name: name)


NO_FACTS = FileFacts()


@record
class TotalField:
    """One value of a header or trailer. ``width`` is needed in fixed-width files; ``sum_of`` names the money column that
    ``amount_cents`` adds up, where the channel has no fee a row."""

    name: Measure
    width: Annotated[int, Field(gt=0)] | None = None
    sum_of: str | None = None


@record
class Totals:
    """A header or trailer record: its type, then its values."""

    record_type: Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,16}$")]
    fields: tuple[TotalField, ...]


def digest_of(kind: Digest, content: bytes) -> str:
    """Lower-case hex. Departments ask for MD5 against accidents of transport; SHA-256 and SM3 are there for those who can."""
    if kind == "sm3":
        state = hashes.Hash(hashes.SM3())  # not every OpenSSL lends it to hashlib
        state.update(content)
        return state.finalize().hex()
    return hashlib.new(kind, content, usedforsecurity=False).hexdigest()
