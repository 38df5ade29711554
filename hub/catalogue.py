"""The catalogue 事项目录: item versions as immutable rows, the version in force by date, and which items may be received.

TOML is an import format. Loading a site inserts the versions that are new; a version that is there with other content is
refused, since cases already point to it. Old versions stay in the table, so that running cases keep theirs.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from contracts.catalogue import Item, Operation, StepKind
from contracts.errors import OnedoorError
from contracts.records import adapter
from hub.city import NotReceivable
from hub.form_fields import FormRefused
from hub.store import registry
from hub.store.connection import Connection

if TYPE_CHECKING:
    from hub.forms import Form

Versions = Mapping[tuple[str, int], Item]
"""Item versions by code and version."""


class CatalogueRefused(OnedoorError):
    """A version was changed after it was published, or a stored one cannot be read. The text says what to do."""


def canonical(item: Item) -> bytes:
    """The content of a version as canonical JSON: keys sorted, defaults left out.

    Without the defaults a later release may give ``Item`` another optional field and old digests still hold.
    """
    content = adapter(Item).dump_python(item, mode="json", by_alias=True, exclude_defaults=True)
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def import_items(connection: Connection, region: str, items: Iterable[Item], files: Mapping[str, str], at: int) -> int:
    """A unit of work: put versions that are new into the table; returns how many. ``files``: the file of each ``code@version``.

    Raises CatalogueRefused naming every version whose content changed; nothing is imported then.
    """
    known = {(row["code"], row["version"]): row["digest"] for row in registry.item_digests(connection, region)}
    fresh = []
    changed = []
    for item in items:
        content = canonical(item)
        digest = hashlib.sha256(content).hexdigest()
        stored = known.get((item.code, item.version))
        if stored is None:
            fresh.append((item, digest, content.decode()))
            known[item.code, item.version] = digest
        elif stored != digest:
            name = f"{item.code}@{item.version}"
            changed.append(f"{name} ({files[name]})" if name in files else name)
    if changed:
        raise CatalogueRefused(
            f"published item versions were changed: {', '.join(changed)}: restore the content, or give the change a new version"
        )
    for item, digest, text in fresh:
        registry.add_item(connection, region, item.code, item.version, digest, text, at)
    return len(fresh)


def load_items(connection: Connection, region: str) -> Versions:
    """Every version ever published. Raises CatalogueRefused for a row that this release cannot read."""
    found: dict[tuple[str, int], Item] = {}
    for row in registry.item_contents(connection, region):
        try:
            found[row["code"], row["version"]] = adapter(Item).validate_json(row["content"])
        except ValidationError as error:
            raise CatalogueRefused(
                f"the stored item {row['code']}@{row['version']} cannot be read: install the release that published it"
            ) from error
    return found


class Catalogue:
    """Which version of an item is in force, its form, and whether it may be received here."""

    def __init__(
        self,
        versions: Versions,
        offered: Iterable[str],
        operation: Callable[[str, str], Operation],
        compile_form: "Callable[[Item], Form]",
    ) -> None:
        """``versions``: all that were ever published. ``offered``: the codes that the site carries today.

        ``operation`` finds what a step calls and raises NotReceivable; ``compile_form`` is asked once a version.
        """
        self._offered = frozenset(offered)
        self._compile = compile_form
        self._forms: dict[tuple[str, int], Form] = {}
        self._by_code: dict[str, list[tuple[date, Item]]] = {}
        for item in versions.values():
            self._by_code.setdefault(item.code, []).append((date.fromisoformat(item.valid_from), item))
        for history in self._by_code.values():
            history.sort(key=lambda one: (one[0], one[1].version))
        self._refusals = {
            key: _refusal(item, operation) or self._form_refusal(item)
            for key, item in versions.items()
            if item.code in self._offered
        }

    def current(self, code: str, on: date, version: int | None = None) -> Item:
        """The version that a new case gets on a day of the site. Raises NotReceivable: unknown, not in force, not servable.

        ``version`` is what the sender filled its form for; another one than that in force is refused.
        """
        history = self._by_code.get(code) if code in self._offered else None
        if not history:
            raise NotReceivable(f"item {code[:32]} is not in the catalogue of this site")
        in_force = [item for valid_from, item in history if valid_from <= on]
        if not in_force:
            raise NotReceivable(f"item {code} is not in force yet: it can be received from {history[0][0]}")
        item = in_force[-1]
        if version is not None and version != item.version:
            raise NotReceivable(
                f"version {item.version} of item {code} is in force: fill in that form instead of version {version}"
            )
        refusal = self._refusals[item.code, item.version]
        if refusal is not None:
            raise NotReceivable(refusal)
        return item

    def form(self, item: Item) -> "Form":
        """The compiled form of a version, kept once compiled."""
        key = (item.code, item.version)
        found = self._forms.get(key)
        if found is None:
            found = self._forms[key] = self._compile(item)
        return found

    def refusals(self) -> Mapping[tuple[str, int], str]:
        """Versions of offered items that cannot be received here, and why: for ``onedoor check`` and the pages."""
        return {key: text for key, text in self._refusals.items() if text is not None}

    def _form_refusal(self, item: Item) -> str | None:
        try:
            self.form(item)
        except FormRefused as error:
            return f"item {item.code} cannot be received: its form has mistakes: {error}"
        return None


def _refusal(item: Item, operation: Callable[[str, str], Operation]) -> str | None:
    """Why an item cannot be received; None when every department step finds its operation."""
    for step in item.steps:
        if step.kind is StepKind.CENTRE:
            continue
        if step.system is None or step.operation is None:
            return f"item {item.code} cannot be received: step {step.id} names no system and operation"
        try:
            operation(step.system, step.operation)
        except NotReceivable as error:
            return f"item {item.code} cannot be received: step {step.id}: {error}"
    return None
