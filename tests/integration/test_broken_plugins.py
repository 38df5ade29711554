"""Plugins that cannot be had: the others start, what belongs to the missing one waits and goes on when it is back."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.delivery import AwaitingReply, Delivery, Outcome
from contracts.errors import SiteError, TemporaryError
from contracts.plugin import Channel
from contracts.situation import Situation
from hub import outbox, results
from hub.app import Hub, open_hub
from hub.lanes import NOT_OPEN
from hub.systems import PluginsRefused, Registered, register
from tests.scripted import (
    SITE,
    Scripted,
    registered,
    reply,
    rows,
    scripted_channel,
    settings,
    settled,
    states,
    submit,
    until,
)
from tests.small_city import DONE, GRANTED

GOOD = """
from contracts.plugin import Department, System, hookimpl

@hookimpl
def register_departments(site):
    return [Department(code="{code}", name_zh="x", name_en="x", systems=(
        System(name="{system}", department="{code}", name_zh="x", name_en="x", operations={{}}, channels=()),))]
"""
BROKEN = {
    "an import that fails": ("import no_such_module", "cannot be imported: ModuleNotFoundError"),
    "an import that ends the process": ("import sys; sys.exit(1)", "cannot be imported: SystemExit"),
    "a syntax error": ("def", "cannot be imported: SyntaxError"),
    "registering fails": (
        "from contracts.plugin import hookimpl\n@hookimpl\ndef register_departments(site):\n    raise RuntimeError('x')",
        "failed to register: RuntimeError",
    ),
    "registering ends the process": (
        "from contracts.plugin import hookimpl\n@hookimpl\ndef register_departments(site):\n    raise SystemExit(1)",
        "failed to register: SystemExit",
    ),
    "it registers what is no department": (
        "from contracts.plugin import hookimpl\n@hookimpl\ndef register_departments(site):\n    return ['tax']",
        "failed to register: TypeError",
    ),
}


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where distributions can be installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("plugin_under_test_")]:
        del sys.modules[name]


def install(folder: Path, name: str, code: str) -> str:
    """As ``pip install`` would leave it; the name of its entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[onedoor.plugins]\n{name} = plugin_under_test_{name}\n")
    (folder / f"plugin_under_test_{name}.py").write_text(code)
    return name


def test_a_misspelt_hook_is_refused_by_name(plugins: Path) -> None:
    code = "from contracts.plugin import hookimpl\n@hookimpl\ndef register_departmants(site):\n    return ()"
    with pytest.raises(PluginsRefused, match=r"(?s)register_departmants.*: see the hook list"):
        register(SITE, [install(plugins, "misspelt", code)])


def test_a_distribution_that_owns_one_of_our_names_is_refused(plugins: Path) -> None:
    install(plugins, "squatter", "")
    (plugins / "squatter-1.0.dist-info" / "top_level.txt").write_text("hub\n")
    with pytest.raises(PluginsRefused, match="the package name hub is also owned by squatter: uninstall that"):
        register(SITE)


@pytest.mark.parametrize(("code", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plugin_that_is_broken_is_named_and_the_others_register(plugins: Path, code: str, why: str) -> None:
    broken = install(plugins, "broken", code)
    healthy = install(plugins, "healthy", GOOD.format(code="HE", system="HE-api"))
    found = register(SITE, [broken, healthy])
    assert dict(found.broken) == {"broken": why}
    assert {"BE", "HE"} <= {department.code for department in found.departments}


def test_a_plugin_that_is_not_installed_is_named(plugins: Path) -> None:
    assert "is not installed" in register(SITE, ["nowhere"]).broken["nowhere"]


def test_two_plugins_that_claim_one_department_or_one_system_are_refused_by_their_names(plugins: Path) -> None:
    first = install(plugins, "first", GOOD.format(code="XX", system="XX-one"))
    second = install(plugins, "second", GOOD.format(code="XX", system="XX-two"))
    third = install(plugins, "third", GOOD.format(code="YY", system="XX-one"))
    fourth = install(plugins, "fourth", GOOD.format(code="ZZ", system="BE-fast"))
    with pytest.raises(PluginsRefused, match="department XX is registered by two plugins"):
        register(SITE, [first, second])
    with pytest.raises(PluginsRefused, match=r"system XX-one is claimed by department (XX|YY) and by (XX|YY)"):
        register(SITE, [first, third])
    with pytest.raises(PluginsRefused, match=r"system BE-fast is claimed by department (BE|ZZ) and by (BE|ZZ)"):
        register(SITE, [fourth])


def test_a_site_that_is_wrong_is_reported_whole(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("surprise = 1\nplugins = 7\n")
    with pytest.raises(SiteError) as refused:
        register(tmp_path)
    assert len(refused.value.mistakes) > 1


@asynccontextmanager
async def hub_without(folder: Path, system: str | None, **channels: Channel) -> AsyncIterator[Hub]:
    """A hub whose plugin for one system is broken."""
    (department,) = registered(**channels).departments
    left = replace(department, systems=[one for one in department.systems if one.name not in (system, "OLD-api")])
    found = Registered(departments=(left,), broken={"api": "cannot be imported: ImportError"} if system else {})
    async with open_hub(settings(folder), registered=found) as opened:
        yield opened


async def test_what_belongs_to_a_missing_plugin_is_held_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    waits: list[Delivery] = []

    def later(delivery: Delivery) -> Outcome:
        waits.append(delivery)
        return AwaitingReply()

    busy = scripted_channel(Scripted(lambda delivery: DONE if delivery.step == "p1" else TemporaryError("busy")))
    file = scripted_channel(Scripted(later), Situation.FILE_DROP)
    paper = scripted_channel(Scripted(lambda delivery: GRANTED), Situation.PAPER)
    async with hub_without(tmp_path, None, api=busy, file=file, paper=paper) as hub:
        join = await submit(hub, "JOIN1")
        await until(lambda: _parts(hub, join, ["done", "done", "waiting"]))
        lane = hub.lanes["AA-api"]
        lane.stopping = True
        lane.wake()
        queued, under_way = await submit(hub, "API1"), await submit(hub, "API1")
        await _begin_one(hub, under_way)
    async with hub_without(tmp_path, "AA-api", file=file, paper=paper) as hub:
        await settled(hub, ["held"], queued)
        await settled(hub, ["unknown"], under_way)  # it can neither be asked nor trusted with a resend
        await settled(hub, ["done"], await submit(hub, "PAPER1"))
        assert (await reply(hub, waits[0], DONE)).verdict == "applied"
        (case,) = await rows(hub, "SELECT flags FROM case_file WHERE case_no = :n", n=join)
        (step,) = await rows(hub, "SELECT state FROM case_step WHERE case_no = :n AND step = 's2'", n=join)
        held = await rows(hub, "SELECT held FROM lane WHERE system = 'AA-api'")
        assert (case["flags"], step["state"], held) == ("no_system", "blocked", [{"held": NOT_OPEN}])
    good = scripted_channel(Scripted(lambda delivery: GRANTED))
    async with hub_without(tmp_path, None, api=good, file=file, paper=paper) as hub:
        await settled(hub, ["done"], queued)
        await settled(hub, ["done"] * 4, join)
        (case,) = await rows(hub, "SELECT flags, status FROM case_file WHERE case_no = :n", n=join)
    assert case == {"flags": "", "status": "50"}


async def _begin_one(hub: Hub, case_no: str) -> None:
    """What a process leaves behind that dies while it sends."""
    rows_ = await hub.commit(
        "test", lambda c: outbox.claim(c, hub.city, "AA-api", 9, "gone", hub.now_ms(), hub.now_ms() + 60_000)
    )
    for row in rows_.rows:
        if row["case_no"] == case_no:
            await hub.commit("test", lambda c: results.begin(c, hub.city, row, "api", hub.now_ms()))  # noqa: B023 - run at once


async def _parts(hub: Hub, case_no: str, wanted: list[str]) -> bool:
    return sorted(await states(hub, case_no)) == wanted
