"""The blind index: cases are found by an identity number or a name although both lie encrypted.

The table holds keyed hashes only (``Keys.index_value``): equal plain texts give equal values, and without the key none of them can
be guessed. Uploads stand in it too (their keys are keyed hashes already), so that erasing a case knows who else needs one.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from hub.city import City
from hub.clients import Scope
from hub.initials import initials
from hub.keys import Keys
from hub.store.connection import Connection

IDENTITY, NAME, INITIALS, UPLOAD = "identity", "name", "initials", "upload"

_FIELDS = (
    ("applicant", "id_no", IDENTITY),
    ("applicant", "uscc", IDENTITY),
    ("applicant", "name", NAME),
    ("agent", "id_no", IDENTITY),
    ("agent", "name", NAME),
)
"""What a case is found by: root and field of the data, kind."""

Pairs = frozenset[tuple[str, str]]
"""Kind and plain text."""


def normal(plain: str) -> str:
    """How a name or number is compared: one form of full-width and half-width signs, capitals, no spaces."""
    one_form = plain if plain.isascii() else unicodedata.normalize("NFKC", plain)
    return "".join(one_form.upper().split())


def pairs(data: Mapping[str, Any]) -> Pairs:
    """What a case (applicant, agent, materials ..) is found by."""
    found = {(UPLOAD, one["key"]) for one in data.get("materials") or () if one.get("key")}
    for root, field, kind in _FIELDS:
        plain = (data.get(root) or {}).get(field)
        if isinstance(plain, str) and (told := normal(plain)):
            found.add((kind, told))
    applicant = (data.get("applicant") or {}).get("name")
    if isinstance(applicant, str):
        found |= {(INITIALS, way) for way in initials(applicant)}
    return frozenset(found)


def change(connection: Connection, city: City, case_no: str, before: Pairs, after: Pairs) -> None:
    """Part of a unit of work: what a case is found by is now ``after``."""
    for kind, plain in before - after:
        connection.run(
            "DELETE FROM case_index WHERE region = :region AND kind = :kind AND value = :value AND case_no = :case_no",
            _row(city, case_no, kind, plain),
        )
    connection.insert_many("case_index", [_row(city, case_no, *pair) for pair in sorted(after - before)])


def find(
    connection: Connection, region: str, keys: Keys, scope: Scope, kind: str, plain: str, limit: int = 100
) -> tuple[str, ...]:
    """Numbers of the cases in the scope, the newest first."""
    rows = connection.rows(
        "SELECT case_file.case_no, item, receiving_centre, accepting_centre, paper_holder FROM case_index"
        " JOIN case_file ON case_file.region = case_index.region AND case_file.case_no = case_index.case_no"
        " WHERE case_index.region = :region AND kind = :kind AND value = :value ORDER BY received_at DESC",
        {"region": region, "kind": kind, "value": keys.index_value(kind, normal(plain))},
    )
    return tuple(row["case_no"] for row in rows if scope.covers_case(row))[:limit]


def others_use(connection: Connection, city: City, case_no: str, upload: str) -> bool:
    """Whether another case has the same upload."""
    row = connection.row(
        "SELECT 1 AS one FROM case_index WHERE region = :region AND kind = :kind AND value = :value AND case_no <> :case_no",
        _row(city, case_no, UPLOAD, upload),
    )
    return row is not None


def _row(city: City, case_no: str, kind: str, plain: str) -> dict[str, Any]:
    value = city.keys.index_value(kind, plain)
    return {"region": city.region, "kind": kind, "value": value, "case_no": case_no}
