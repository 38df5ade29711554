"""Copies on a shadow channel: what they answer is kept and compared, and settles nothing."""

from typing import Any
from uuid import UUID

import orjson

from contracts.delivery import AwaitingReply, Completed, Outcome, Returned
from contracts.errors import DeliveryError
from contracts.records import record
from hub.city import City
from hub.store.connection import Connection, Row

_SAID = {
    Completed: ("decision", "fields", "documents"),
    Returned: ("reason_code", "wanted"),
    AwaitingReply: ("department_ref", "next_poll_at"),
}
_COMPARED = 1000
"""The newest copies of a system that a report looks at."""


def canonical(outcome: Outcome | DeliveryError) -> bytes:
    """The mapped reply as canonical JSON: what its digest covers and what is kept of it."""
    if isinstance(outcome, DeliveryError):
        return orjson.dumps({"error": type(outcome).__name__, "code": outcome.code})
    body = {"kind": type(outcome).__name__, **{name: getattr(outcome, name) for name in _SAID[type(outcome)]}}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


@record
class Differing:
    """A copy that was answered otherwise: which of ``kind``, ``decision``, ``reason_code`` and the reply's fields; never their values."""

    delivery: str
    names: tuple[str, ...]


@record
class ShadowReport:
    """How the newest copies of a system's deliveries stand beside what counts."""

    system: str
    situation: str
    copies: int
    waiting: int
    failed: int
    uncompared: int
    equal: int
    different: tuple[Differing, ...]
    errors: dict[str, int]


def sent(connection: Connection, city: City, copy: dict[str, Any], at: int) -> int | None:
    """Note a copy before it leaves; returns its number on the channel, None where it was made before."""
    key = {"region": city.region, **{name: copy[name] for name in ("system", "situation")}}
    if find(connection, city, copy["id"]) is not None:
        return None
    last = connection.row(
        "SELECT max(sequence) AS last FROM shadow WHERE region = :region AND system = :system AND situation = :situation",
        key,
    )
    number = int((last["last"] if last else None) or 0) + 1
    connection.insert("shadow", {**copy, "region": city.region, "sequence": number, "state": "sent", "sent_at": at})
    return number


def find(connection: Connection, city: City, copy: str) -> Row | None:
    """The row of a copy."""
    return connection.row(
        "SELECT * FROM shadow WHERE region = :region AND id = :id", {"region": city.region, "id": copy}
    )


def answered(connection: Connection, city: City, copy: UUID, outcome: Outcome | BaseException, at: int) -> bool:
    """Keep what a copy brought, the first time; whether it is a copy at all. "It will come later" changes nothing."""
    row = find(connection, city, str(copy))
    if row is None:
        return False
    if row["state"] != "sent" or isinstance(outcome, AwaitingReply):
        return True
    columns: dict[str, Any] = {"answered_at": at}
    if isinstance(outcome, Completed | Returned):
        key = connection.row(
            "SELECT sealed_key FROM case_file WHERE region = :region AND case_no = :case_no",
            {"region": city.region, "case_no": row["case_no"]},
        )
        assert key is not None
        sealed = city.keys.case_key(key["sealed_key"]).seal(canonical(outcome), "reply")
        columns |= {"state": "answered", "sealed_body": sealed}
    else:
        code = outcome.code if isinstance(outcome, DeliveryError) else type(outcome).__name__
        columns |= {"state": "failed", "error_code": code[:64]}
    connection.update("shadow", {"region": city.region, "id": row["id"]}, columns)
    return True


def report(connection: Connection, city: City, system: str, situation: str) -> ShadowReport:
    """Compare copies with the replies that count."""
    rows = connection.rows(
        "SELECT s.*, c.sealed_key, r.sealed_body AS counted FROM shadow s"
        " JOIN case_file c ON c.region = s.region AND c.case_no = s.case_no"
        " LEFT JOIN reply r ON r.region = s.region AND r.system = s.system AND r.delivery = s.delivery"
        " AND r.verdict = 'applied' AND r.kind IN ('done', 'granted', 'refused', 'returned')"
        " WHERE s.region = :region AND s.system = :system AND s.situation = :situation"
        " ORDER BY s.sequence DESC LIMIT :limit",
        {"region": city.region, "system": system, "situation": situation, "limit": _COMPARED},
    )
    errors: dict[str, int] = {}
    equal, different, uncompared = 0, [], 0
    for row in rows:
        if row["state"] == "failed":
            errors[row["error_code"]] = errors.get(row["error_code"], 0) + 1
        elif row["state"] == "answered" and row["counted"] is None:
            uncompared += 1
        elif row["state"] == "answered":
            key = city.keys.case_key(row["sealed_key"])
            names = _differing(*(orjson.loads(key.unseal(row[part], "reply")) for part in ("sealed_body", "counted")))
            if names:
                different.append(Differing(delivery=row["delivery"], names=names))
            else:
                equal += 1
    return ShadowReport(
        system=system,
        situation=situation,
        copies=len(rows),
        waiting=sum(row["state"] == "sent" for row in rows),
        failed=sum(errors.values()),
        uncompared=uncompared,
        equal=equal,
        different=tuple(different),
        errors=errors,
    )


def _differing(copy: dict[str, Any], counted: dict[str, Any]) -> tuple[str, ...]:
    """Names of what differs. Documents are told apart by their kind: the same paper has another key in each channel."""

    def flat(body: dict[str, Any]) -> dict[str, Any]:
        plain = {name: body.get(name) for name in ("kind", "decision", "reason_code")}
        kinds = sorted(document["kind"] for document in body.get("documents") or ())
        return {
            **plain,
            "documents": kinds,
            **{f"fields.{name}": value for name, value in (body.get("fields") or {}).items()},
        }

    one, other = flat(copy), flat(counted)
    return tuple(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))
