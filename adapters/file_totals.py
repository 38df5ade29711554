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

Measure: TypeAlias = Literal[
    "date", "time", "sequence", "day_sequence", "rows", "amount_cents", "bytes", "md5", "sha256", "sm3"
]
Digest: TypeAlias = Literal["md5", "sha256", "sm3"]

_DIGESTS: frozenset[Measure] = frozenset({"md5", "sha256", "sm3"})
_OF_WHAT_IS_BEFORE: frozenset[Measure] = _DIGESTS | {"bytes"}


@record
class FileFacts:
    """What a file is told about itself when it is sealed. ``at``: local time of the site. ``secret`` opens a secret by name."""

    name: str = ""
    sequence: int = 0
    day_sequence: int = 0
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


def check_declared(header: Totals | None, trailer: Totals | None, fee_cents_per_row: int | None) -> None:
    """Raises ValueError for totals that cannot be computed."""
    if header and not _OF_WHAT_IS_BEFORE.isdisjoint(one.name for one in header.fields):
        raise ValueError("a header cannot hold a digest or a number of bytes: they are of what stands before")
    for total in (one for part in (header, trailer) if part for one in part.fields):
        if total.name == "amount_cents" and (total.sum_of is None) == (fee_cents_per_row is None):
            raise ValueError("amount_cents needs sum_of, a column of cents, or the channel's fee_cents_per_row")


def proves_whole(trailer: Totals | None) -> bool:
    """Whether a file with that trailer cannot end too early unnoticed."""
    return trailer is not None and any(one.name == "rows" or one.name in _OF_WHAT_IS_BEFORE for one in trailer.fields)


def digest_of(kind: Digest, content: bytes) -> str:
    """Lower-case hex. Departments ask for MD5 against accidents of transport; SHA-256 and SM3 are there for those who can."""
    if kind == "sm3":
        state = hashes.Hash(hashes.SM3())  # not every OpenSSL lends it to hashlib
        state.update(content)
        return state.finalize().hex()
    return hashlib.new(kind, content, usedforsecurity=False).hexdigest()


@record
class Tally:
    """What a header or trailer is checked against: records, the bytes before it, the sum of a money column in cents."""

    rows: int
    before: bytes
    cents: Callable[[TotalField], int | None]


def texts_of(totals: Totals, facts: FileFacts, tally: Tally) -> list[str]:
    """The values of a header or trailer, unpadded."""
    return [_WRITTEN[field.name](field, facts, tally) for field in totals.fields]


def check(totals: Totals, texts: Sequence[str], tally: Tally) -> None:
    """Raises FileRejected, by the name of the first value that is not true of the file."""
    for total, text in zip(totals.fields, texts, strict=True):
        if total.name in _FORMS:
            agrees = _is_moment(text, _FORMS[total.name])
        elif total.name in ("sequence", "day_sequence"):
            agrees = re.fullmatch(r"[0-9]+", text, re.ASCII) is not None
        else:
            number = total.name not in _DIGESTS and re.fullmatch(r"-?[0-9]{1,30}", text, re.ASCII)
            told = str(int(text)) if number else text
            agrees = told.lower() == _WRITTEN[total.name](total, NO_FACTS, tally)
        if not agrees:
            raise FileRejected(total.name, f"the file does not agree with its own {total.name}")


def before_last_line(content: bytes) -> bytes:
    """What a trailer's digest is of: LF and CR are no second byte of any declared encoding."""
    return content[: content.rstrip(b"\r\n").rfind(b"\n") + 1]


def _is_moment(text: str, form: str) -> bool:
    try:
        return datetime.strptime(text, form).strftime(form) == text  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        return False


_FORMS: Mapping[Measure, str] = {"date": "%Y%m%d", "time": "%H%M%S"}

_WRITTEN: Mapping[Measure, Callable[[TotalField, FileFacts, Tally], str]] = {
    "date": lambda _field, facts, _tally: f"{facts.at:%Y%m%d}",
    "time": lambda _field, facts, _tally: f"{facts.at:%H%M%S}",
    "sequence": lambda _field, facts, _tally: str(facts.sequence),
    "day_sequence": lambda _field, facts, _tally: str(facts.day_sequence),
    "rows": lambda _field, _facts, tally: str(tally.rows),
    "amount_cents": lambda field, _facts, tally: str(tally.cents(field)),
    "bytes": lambda _field, _facts, tally: str(len(tally.before)),
    "md5": lambda _field, _facts, tally: digest_of("md5", tally.before),
    "sha256": lambda _field, _facts, tally: digest_of("sha256", tally.before),
    "sm3": lambda _field, _facts, tally: digest_of("sm3", tally.before),
}
