"""The catalogue: immutable versions, the one in force by date, admission."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import Answers, Item, Operation, Purpose, Step, StepKind
from hub import catalogue
from hub.catalogue import Catalogue, CatalogueRefused
from hub.city import NotReceivable
from hub.store import schema
from hub.store.connection import Connection

REGION = "310000"
STEPS = (
    Step(id="s1", kind=StepKind.CENTRE, name_zh="受理", name_en="Accept"),
    Step(
        id="s2",
        kind=StepKind.DEPARTMENT,
        name_zh="审核",
        name_en="Review",
        after=("s1",),
        system="MZ-relief",
        operation="relief",
    ),
)


def item(version: int = 1, valid_from: str = "2026-01-01", **changes: Any) -> Item:
    made = Item(
        code="MZ004",
        version=version,
        valid_from=valid_from,
        name_zh="临时救助",
        name_en="Relief",
        owner="MZ",
        applicant_type="natural_person",
        case_type="promised",
        legal_days=20,
        promised_days=10,
        accepts="s1",
        decides="s2",
        steps=STEPS,
    )
    return replace(made, **changes)


def operation(system: str, name: str) -> Operation:
    if (system, name) != ("MZ-relief", "relief"):
        raise NotReceivable(f"system {system} is not configured at this site")
    return Operation(
        key=name, name_zh="", name_en="", purpose=Purpose.DECIDE, answers=Answers.LATER, request=(), reply=(), wire={}
    )


def opened(*items: Item, offered: tuple[str, ...] = ("MZ004",)) -> Catalogue:
    return Catalogue({(one.code, one.version): one for one in items}, offered, operation, lambda of: of)  # type: ignore[arg-type,return-value]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    schema.upgrade(tmp_path / "hub.db")
    found = Connection(tmp_path / "hub.db", writable=True)
    yield found
    found.close()


def imported(connection: Connection, *items: Item) -> int:
    return catalogue.import_items(connection, REGION, items, {"MZ004@1": "civil_affairs/items/MZ004.toml"}, at=1)


def test_an_imported_version_is_read_back_as_it_was(connection: Connection) -> None:
    assert imported(connection, item()) == 1
    assert catalogue.load_items(connection, REGION) == {("MZ004", 1): item()}


def test_importing_the_same_again_changes_nothing(connection: Connection) -> None:
    imported(connection, item())
    assert imported(connection, item()) == 0


def test_a_published_version_with_other_content_is_refused_naming_the_file_and_the_way_out(
    connection: Connection,
) -> None:
    imported(connection, item())
    with pytest.raises(CatalogueRefused, match=r"MZ004@1 \(civil_affairs/items/MZ004.toml\).*a new version") as raised:
        imported(connection, item(promised_days=5), item(version=2))
    assert "\n" not in str(raised.value)
    assert list(catalogue.load_items(connection, REGION)) == [("MZ004", 1)]


def test_two_items_that_claim_one_version_are_refused(connection: Connection) -> None:
    with pytest.raises(CatalogueRefused, match="MZ004@1"):
        imported(connection, item(), item(promised_days=5))


def test_an_old_version_stays_loadable_when_the_site_has_moved_on(connection: Connection) -> None:
    imported(connection, item())
    imported(connection, item(version=2))
    assert set(catalogue.load_items(connection, REGION)) == {("MZ004", 1), ("MZ004", 2)}


def test_a_stored_version_that_cannot_be_read_is_refused_in_one_sentence(connection: Connection) -> None:
    imported(connection, item())
    connection.run("""UPDATE item_version SET content = '{"code": "MZ004"}'""")
    with pytest.raises(CatalogueRefused, match="MZ004@1 cannot be read"):
        catalogue.load_items(connection, REGION)


def test_a_default_that_a_later_release_adds_does_not_change_the_digest() -> None:
    assert b"fee_cny" not in catalogue.canonical(item())
    assert catalogue.canonical(item()) == catalogue.canonical(item(fee_cny=0))


def test_aliases_survive_the_canonical_form() -> None:
    assert b'"from"' not in catalogue.canonical(item())


@pytest.mark.parametrize(
    ("day", "version"), [("2026-01-01", 1), ("2026-06-30", 1), ("2026-07-01", 2), ("2030-01-01", 2)]
)
def test_the_version_in_force_depends_on_the_day(day: str, version: int) -> None:
    found = opened(item(), item(version=2, valid_from="2026-07-01"))
    assert found.current("MZ004", date.fromisoformat(day)).version == version


def test_of_two_versions_from_the_same_day_the_higher_one_is_in_force() -> None:
    assert opened(item(version=3), item(version=2)).current("MZ004", date(2026, 1, 1)).version == 3


def test_a_form_of_another_version_is_refused_naming_the_one_in_force() -> None:
    with pytest.raises(NotReceivable, match="version 2 of item MZ004 is in force"):
        opened(item(), item(version=2)).current("MZ004", date(2026, 1, 1), version=1)


def test_an_item_not_yet_in_force_says_from_when() -> None:
    with pytest.raises(NotReceivable, match="2026-01-01"):
        opened(item()).current("MZ004", date(2025, 12, 31))


def test_an_item_that_the_site_does_not_offer_is_not_received() -> None:
    with pytest.raises(NotReceivable, match="not in the catalogue"):
        opened(item(), offered=()).current("MZ004", date(2026, 1, 1))
    with pytest.raises(NotReceivable, match="not in the catalogue"):
        opened(item()).current("XX001", date(2026, 1, 1))


def test_an_item_whose_system_is_missing_is_not_receivable_and_the_others_are() -> None:
    broken = item(steps=(STEPS[0], replace(STEPS[1], system="MZ-gone")))
    found = opened(broken, item(code="MZ009"), offered=("MZ004", "MZ009"))
    with pytest.raises(NotReceivable, match="step s2: system MZ-gone is not configured"):
        found.current("MZ004", date(2026, 1, 1))
    assert found.current("MZ009", date(2026, 1, 1)).code == "MZ009"
    assert list(found.refusals()) == [("MZ004", 1)]


def test_a_department_step_without_an_operation_is_not_receivable() -> None:
    with pytest.raises(NotReceivable, match="names no system and operation"):
        opened(item(steps=(STEPS[0], replace(STEPS[1], operation=None)))).current("MZ004", date(2026, 1, 1))


def test_a_form_is_compiled_once_a_version() -> None:
    compiled = []

    def compile_form(of: Item) -> Any:
        compiled.append(of.version)
        return object()

    found = Catalogue({("MZ004", 1): item()}, ["MZ004"], operation, compile_form)
    assert found.form(item()) is found.form(item())
    assert compiled == [1]
