"""The page on the simulators lists what the code has: kinds of faults, keys of a scenario, routes of the API, scenarios that come along."""

import inspect
import re
from pathlib import Path

from aiohttp.web import RouteDef

from contracts.site import load_site
from simulators.control.api import ROUTES
from simulators.faults import KINDS, Place
from simulators.sample import sample_site
from simulators.scenario import Latency, Rule, Scenario
from simulators.scenario_files import read_scenario, shipped

PAGE = Path(__file__).parents[2] / "docs" / "simulators.md"
WHERE = {
    Place.AT_ONCE: "API, at once",
    Place.CALLBACK: "API, by callback",
    Place.POLLED: "API, asked later",
    Place.CONNECTION: "SFTP, connection",
    Place.TRANSFER: "SFTP, upload",
    Place.RECORD: "file, record",
    Place.FILE: "file, result file",
    Place.SHEET: "paper, sheet",
    Place.SYSTEM: "the whole system",
}
API = {Place.AT_ONCE, Place.CALLBACK, Place.POLLED}


def kinds() -> list[str]:
    """The rows of the table of kinds."""
    rows = []
    for fault, kind in KINDS.items():
        places = [WHERE[place] for place in Place if place in kind.places]
        if kind.places >= API:
            places = ["API", *(WHERE[place] for place in Place if place in kind.places - API)]
        acts = "yes" if kind.acts else "no"
        rows.append(f"| `{fault}` {kind.name[0]} | {'; '.join(places)} | {kind.does[1]} | {acts} | {kind.seconds} |")
    return rows


def routes() -> list[str]:
    """The rows of the table of routes."""
    rows = []
    for route in ROUTES:
        assert isinstance(route, RouteDef)
        said = inspect.getdoc(route.handler) or ""
        rows.append(f"| `{route.method} {route.path}` | {' '.join(said.split())} |")
    return rows


def test_the_page_has_every_kind_and_every_route() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for table in (kinds(), routes()):
        assert "\n".join(table) in text, "the rows should be:\n" + "\n".join(table)


def test_the_page_has_every_key_of_a_scenario_and_every_scenario_that_comes_along() -> None:
    text = PAGE.read_text(encoding="utf-8")
    keys = {name for of in (Scenario, Rule, Latency) for name in of.__dataclass_fields__}
    assert keys - set(re.findall(r"`(\w+)`", text)) == set()
    assert [name for name in shipped() if f"`{name}`" not in text] == []


def test_the_example_of_the_page_is_a_scenario_of_the_sample_city() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    site = load_site(sample_site())
    assert [read_scenario(one, site).rules for one in examples if "name =" in one]
