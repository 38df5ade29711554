"""The one way a record is declared: frozen, slotted, keyword-only, strict about unknown keys when it is parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, dataclass_transform

from pydantic import ConfigDict, JsonValue, TypeAdapter

T = TypeVar("T")

Fields: TypeAlias = Mapping[str, JsonValue]
"""Named JSON values: a mapped message, the reply of a department, the settings of a channel."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make ``cls`` an immutable dataclass; parsed from TOML or JSON, an unknown key is an error."""
    cls.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def adapter(of: type[T]) -> TypeAdapter[T]:
    """The parser and serialiser of a record type, built once (building costs milliseconds, using it microseconds)."""
    found = _adapters.get(of)
    if found is None:
        found = _adapters[of] = TypeAdapter(of)
    return found
