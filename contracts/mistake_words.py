"""What a validator found wrong, in the words of whoever wrote the file: what is wanted, what stands there, what was probably meant."""

import re
from collections.abc import Mapping

from pydantic_core import ErrorDetails

from contracts.near_names import meant

_WANTED: Mapping[str, str] = {
    "missing": "this key is needed",
    "missing_argument": "this key is needed",
    "missing_keyword_only_argument": "this key is needed",
    "string_type": 'a text is wanted, in quotes: "..."',
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "tuple_type": "a list is wanted: [..]",
    "list_type": "a list is wanted: [..]",
    "dict_type": "a table is wanted: {..}",
    "mapping_type": "a table is wanted: {..}",
    "model_type": "a table is wanted: {..}",
    "dataclass_type": "a table is wanted: {..}",
    "date_from_datetime_parsing": "a date is wanted, such as 2026-10-01",
}
_CHOICES = frozenset({"literal_error", "enum", "union_tag_invalid"})


def said(problem: ErrorDetails) -> str:
    """One sentence about a problem that pydantic found."""
    kind, given, about = problem["type"], problem.get("input"), problem.get("ctx", {})
    if kind in _WANTED:
        return _WANTED[kind]
    if kind in _CHOICES:
        # A union tells the tag that it did not know, and the tags that it does.
        told = str(about.get("tag", given))
        expected = str(about.get("expected") or about["expected_tags"])
        return f"{told} is none of {expected}" + meant(told, re.findall(r"'([^']*)'", expected))
    if kind == "string_pattern_mismatch":
        return f"{given} does not have the form {about['pattern']}"
    return problem["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
