"""What a gateway is given: the contract's record of a delivery, from its row and the content that was sealed when its step opened."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from contracts.delivery import Delivery, Document
from hub.city import City, moment
from hub.store.connection import Row
from hub.traces import traceparent


def delivery_of(city: City, row: Row, content: Mapping[str, Any], payload: bytes | None = None) -> Delivery:
    """``row``: a delivery with ``item``, ``item_version``, ``accepting_centre`` and ``trace_id`` of its case. ``content``: fields and materials."""
    return Delivery(
        id=UUID(row["id"]),
        system=row["system"],
        operation=row["operation"],
        round=row["round"],
        supersedes=UUID(row["supersedes"]) if row["supersedes"] else None,
        case_no=row["case_no"],
        item=row["item"],
        item_version=row["item_version"],
        step=row["step"],
        subject=row["subject"] or None,
        centre=row["accepting_centre"],
        attempt=row["attempts"] + 1,
        possible_duplicate=bool(row["possible_duplicate"]),
        send_before=moment(row["send_before"]),
        due_at=moment(row["due_at"]) if row["due_at"] else None,
        fields=content["fields"],
        materials=tuple(_document(city, material) for material in content["materials"]),
        payload=payload,
        traceparent=traceparent(row["trace_id"], row["id"], row["attempts"] + 1),
    )


def stored_delivery(city: City, row: Row) -> Delivery:
    """The same from the store alone: ``row`` carries the sealed fields, the key, and the payload if there is one."""
    key = city.keys.case_key(row["sealed_key"])
    stored = row.get("sealed_payload")
    content = orjson.loads(key.unseal(row["sealed_fields"], "fields"))
    return delivery_of(city, row, content, key.unseal(stored, "payload") if stored else None)


def _document(city: City, material: Mapping[str, Any]) -> Document:
    """A paper as gateways see it; one that lies only on paper has no key."""
    return Document(
        key=material["key"] or "",
        kind=material["material"],
        name=material["name"] or city.materials.get(material["material"], material["material"]),
        media_type=material["media_type"],
        size=material["size"],
        originals=material["originals"],
        copies=material["copies"],
        pages=material["pages"],
    )
