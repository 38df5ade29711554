"""Settings as TOML: enough of it for the hub's settings file."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE: Final = re.compile("[A-Za-z0-9_-]+")
"""Keys that TOML takes without quotes."""


def toml_lines(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Plain keys first, then tables. JSON strings are TOML strings."""
    lines = [
        f"{_name(key)} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in values.items()
        if not isinstance(value, Mapping)
    ]
    for key, value in values.items():
        if isinstance(value, Mapping):
            table = f"{prefix}{_name(key)}"
            below = toml_lines(value, f"{table}.")
            is_plain = any(not isinstance(one, Mapping) for one in value.values())
            lines += [f"\n[{table}]\n", *below] if is_plain else below
    return lines


def _name(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)
