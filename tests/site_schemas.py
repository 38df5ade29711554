"""A site's files, held against the JSON Schemas that their first lines name."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator


def schema_named_in(file: Path) -> Path:
    """What the first line says to an editor."""
    first = file.read_text("utf-8").splitlines()[0]
    assert first.startswith("#:schema "), file
    return (file.parent / first.removeprefix("#:schema ")).resolve()


def mistakes_told_by_the_schema(file: Path) -> list[str]:
    """Each with the place of the key."""
    check = Draft7Validator(json.loads(schema_named_in(file).read_text("utf-8")))
    found = check.iter_errors(plain(tomllib.loads(file.read_text("utf-8"))))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def plain(value: Any) -> Any:
    """As an editor hands a TOML document to a schema: dates are texts."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
