"""A hub without a socket, as commands of other packages get it; and how such commands are found."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import JsonValue

import hub.cli
from contracts.client import OpenHub
from contracts.envelope import CASE_TYPE, EVENT_TYPE, Envelope, TaskCompletion
from contracts.errors import OnedoorError
from hub.cli import command_line
from hub.client import open_client
from hub.results import NotFoundHere
from tests.front_door import DAY, message


def envelope(type_: str, data: object) -> Envelope:
    return Envelope(id=str(uuid4()), source="urn:test:command", type=type_, time=DAY, data=data)  # type: ignore[arg-type]


async def test_a_command_hands_in_a_case_and_sees_it_through(tmp_path: Path) -> None:
    open_hub: OpenHub = open_client
    values: dict[str, JsonValue] = {
        "data": str(tmp_path / "data"),
        "allow_demo_keys": True,
        "clock": {"start": DAY.isoformat()},
    }
    async with open_hub(values, None) as client:
        new = envelope(CASE_TYPE, message(accepted=False)["data"])
        receipt = await client.submit(new)
        assert (await client.submit(new)).duplicate
        accepted = await client.event(receipt.case_no, envelope(EVENT_TYPE, {"event": "accept", "by": "clerk-1"}))
        assert accepted.case_no == receipt.case_no
        page = await client.case(receipt.case_no)
        task = next(one for one in page.tasks if one.state == "ready")
        done = await client.complete(str(task.id), TaskCompletion(id="c1", by="clerk-1", decision="done"))
        assert done.case_no == receipt.case_no
        with pytest.raises(NotFoundHere):
            await client.case("0" * 24)
    assert (tmp_path / "keys/master.key").read_text().startswith("demo:")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution that brings commands, on the path like any other."""
    info = tmp_path / "visitors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: visitors\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[onedoor.commands]\nvisit = visiting_commands:app\nbroken = nothing_there:app\n"
    )
    (tmp_path / "visiting_commands.py").write_text(
        "import typer\napp = typer.Typer()\n"
        "@app.command()\n"
        "def visit(context: typer.Context, name: str = '') -> None:\n"
        "    'Pay a visit.'\n"
        "    typer.echo(f'{name}: {context.obj.__name__}')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_command_of_another_package_is_given_the_way_to_open_a_hub(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line(["visit", "--name", "样例"])
    assert not ended.value.code
    assert capsys.readouterr().out == "样例: open_client\n"


def test_a_command_that_cannot_be_loaded_is_left_out_of_the_list_and_refused_when_named(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command_line(["--help"])
    listed = capsys.readouterr().out
    assert "Pay a visit" in listed
    assert "broken" not in listed
    with pytest.raises(OnedoorError, match="broken cannot be loaded"):
        command_line(["broken"])


def test_commands_of_other_packages_are_not_loaded_for_our_own(installed: Path) -> None:
    (installed / "visiting_commands.py").write_text("raise SystemExit('loaded')")
    root = hub.cli.own_commands()
    assert "visit" not in root.commands
    assert asyncio.iscoroutinefunction(open_client) is False
