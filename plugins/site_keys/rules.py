"""What holds between the keys of a file, as far as a JSON Schema can say it. ``contracts.site_checks`` says it in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.catalogue import RULES, Purpose
from contracts.site_checks import CODED, MEANINGS, TIME
from contracts.site_files import PROTOCOLS
from contracts.situation import Situation

_TIMES: Mapping[str, Sequence[str]] = {
    "OpeningHours": ("start", "end"),
    "Batching": ("cut_offs",),
    "ExpectedFile": ("after_cut_off", "by"),
    "file_drop.ExpectedFile": ("after_cut_off", "by"),
}
"""Keys that are a time of day, or times."""


def join_protocols(tables: dict[str, Any], formats: Sequence[str]) -> None:
    """Give a channel the tables of the protocols, and an operation what each of them wants to know of it."""
    channel = tables["ChannelFile"]
    channel["properties"] |= {name: _ref(f"{name}.{_TOP[name]}") for name in PROTOCOLS}
    channel["oneOf"] = [{"required": [name]} for name in PROTOCOLS]
    channel["allOf"] = [
        {"if": {"required": [name]}, "then": {"properties": {"situation": {"const": situation.value}}}}
        for name, situation in PROTOCOLS.items()
    ]
    operation = tables["Operation"]["properties"]
    operation["wire"] = {
        "type": "object",
        "properties": {
            "api": {"anyOf": [_ref("rest.RestWire"), _ref("soap.SoapWire")]},
            "file_drop": _ref("file_drop.Wire"),
            "paper": _ref("paper.WirePaper"),
        },
        "additionalProperties": False,
        "minProperties": 1,
    }
    tables["file_drop.Wire"] = {
        "type": "object",
        "properties": {"operation_code": {"type": "string", "minLength": 1}, "layout": {"type": "string"}},
        "required": ["operation_code"],
    }
    operation["result_codes"] = _by_situation(_ref("ResultCode"))
    tables["SystemFile"]["properties"]["result_codes"] = {
        "type": "object",
        "properties": {
            purpose.value: _by_situation(
                {
                    "allOf": [
                        _ref("ResultCode"),
                        {"properties": {"outcome": {"enum": sorted(kind.value for kind in MEANINGS[purpose])}}},
                    ]
                }
            )
            for purpose in Purpose
        },
        "additionalProperties": False,
    }
    _layouts(tables["file_drop.FileDropTable"], formats)


_TOP: Mapping[str, str] = {
    "rest": "RestTable",
    "soap": "SoapTable",
    "file_drop": "FileDropTable",
    "paper": "PaperTable",
}

_LAYOUTS: Mapping[str, str] = {"zip_csv": "ZipCsv"}
"""Layouts whose record is not called as the format is, with a capital."""


def _layouts(table: dict[str, Any], formats: Sequence[str]) -> None:
    """``record`` by ``format``: an editor completes the keys of all, and refuses those of another format."""
    names = {name: f"{name}.{_LAYOUTS.get(name, name.capitalize())}" for name in formats}
    table["properties"]["record"] = {"anyOf": [_ref(name) for name in names.values()]}
    table["allOf"] = [
        {
            "if": {
                "properties": {"format": {"const": name}},
                # the first is the one that holds where nothing is said
                **({} if name == formats[0] else {"required": ["format"]}),
            },
            "then": {"properties": {"record": _ref(of)}},
        }
        for name, of in names.items()
    ]


def _by_situation(codes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {one.value: {"type": "object", "additionalProperties": dict(codes)} for one in Situation},
        "additionalProperties": False,
    }


def tighten(tables: dict[str, Any]) -> None:
    """Add the rules between the keys of one table."""
    for name, keys in _TIMES.items():
        for key in keys if name in tables else ():
            part = tables[name]["properties"][key]
            part.get("items", part)["pattern"] = f"^({TIME.pattern})$"
    days = {"enum": ["daily", "working"]}
    for name, key in (("OpeningHours", "days"), ("Batching", "calendar")):
        if name in tables:
            tables[name]["properties"][key] |= days
    for name in ("RequestField", "ReplyField"):
        if name in tables:
            tables[name] |= _CODED
            tables[name]["properties"]["columns"]["items"] = {"allOf": [_ref("Column"), _CODED]}
    for name, more in _BETWEEN.items():
        if name in tables:
            tables[name] |= more
    if "dbf.Dbf" in tables:
        byte = tables["dbf.Dbf"]["properties"]["code_page_byte"]
        del byte["type"]
        number = {"type": "integer", "minimum": 0, "maximum": 255}
        byte["anyOf"] = [number, {"type": "string", "pattern": "^0x[0-9A-Fa-f]{2}$"}]
    if "Item" in tables:
        tables["Item"]["properties"]["valid_from"]["pattern"] = r"^\d{4}-\d\d-\d\d$"
    if "Validator" in tables:
        tables["Validator"]["properties"]["rule"]["enum"] = sorted(RULES)
        tables["Validator"]["allOf"] = [
            {
                "if": {"properties": {"rule": {"const": rule}}},
                "then": {"required": sorted(name.rstrip("_") for name in needed)},
            }
            for rule, needed in RULES.items()
            if needed
        ]


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


_CODED: Mapping[str, Any] = {
    "if": {"required": ["type"], "properties": {"type": {"enum": sorted(CODED)}}},
    "then": {"required": ["code_list"]},
    "else": {"not": {"required": ["code_list"]}},
}
"""A list of codes goes with the types that take their values from one, and only with them."""

_BETWEEN: Mapping[str, Mapping[str, Any]] = {
    "ChannelFile": {
        "if": {"required": ["auto_fallback"]},
        "then": {"required": ["status"], "properties": {"status": {"const": "fallback"}}},
    },
    "SystemFile": {
        "if": {"required": ["successor"]},
        "then": {},
        "else": {"properties": {"channels": {"contains": {"properties": {"status": {"const": "sending"}}}}}},
    },
    "ResultCode": {
        "if": {"required": ["none_found"], "properties": {"none_found": {"const": True}}},
        "then": {"properties": {"outcome": {"const": "completed.done"}}},
    },
    "Centre": {
        "if": {"required": ["kind"], "properties": {"kind": {"const": "sub_centre"}}},
        "then": {"required": ["parent"]},
        "else": {"not": {"required": ["parent"]}},
    },
    "Join": {
        "if": {"required": ["wait_for"], "properties": {"wait_for": {"const": "mandatory"}}},
        "then": {"required": ["not_answered_after_working_days"]},
        "else": {"not": {"required": ["not_answered_after_working_days"]}},
    },
    "Step": {
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": "centre"}}},
                "then": {
                    "required": ["task", "at"],
                    "not": {
                        "anyOf": [{"required": ["department"]}, {"required": ["system"]}, {"required": ["operation"]}]
                    },
                },
                "else": {"required": ["system", "operation"]},
            },
            {"if": {"required": ["after"], "properties": {"after": {"minItems": 2}}}, "then": {"required": ["join"]}},
        ]
    },
}
"""Rules between the keys of one table."""
