"""Where the hub has the value of a field that a contract file asks for. A guess by name; what it does not know, a person must say."""

from adapters.contract_dialect import PERSONAL, folded
from adapters.contract_outline import OutlineField


def source_of(field: OutlineField) -> str | None:
    """Where the hub has the value; None: a person must say, and until then the form asks for it."""
    name = folded(field.name)
    return next((source for source, names in PERSONAL.items() if name in names), None)
