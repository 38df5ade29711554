"""``onedoor simulate --from``: a department made of its contract file alone, called by clients that are not ours."""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import paramiko
import pytest
import yaml
import zeep
import zeep.exceptions
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from adapters.contract_outline import OutlineRefused
from contracts.catalogue import ResultKind
from contracts.situation import Situation
from hub.cli import plugins as plugins_command
from plugins.scaffold.command import app as new_plugin
from plugins.toml_departments import register_departments, sample_site
from simulators.faults import Fault
from simulators.from_contract import contract_city
from simulators.how_to_reach import how_to_reach
from simulators.site_folders import NotInstalled, packaged_folders
from simulators.world import Plan, World, world

FILES = Path(__file__).parents[1] / "contract_files"
RUN = CliRunner()


@asynccontextmanager
async def department(folder: Path, file: str, name: str = "", **more: Any) -> AsyncIterator[World]:
    made = contract_city([FILES / file], [name] if name else [])
    plan = Plan(
        folder=folder,
        site=folder,
        city=made.site,
        contracts=made.answers,
        start=datetime.now(UTC),
        speed=1.0,
        **{"shares": {}, **more},
    )
    async with world(plan) as city:
        yield city


def service(wsdl: str) -> Any:
    """What zeep makes of the WSDL at that address."""
    return zeep.Client(wsdl).service  # type: ignore[no-untyped-call] # zeep is typed in parts


def ledger(city: World, key: str) -> list[tuple[str, str]]:
    lines = (city.folder / "ledgers" / f"{key}.jsonl").read_text().splitlines()
    return [(one["kind"], one["delivery_id"]) for one in map(json.loads, lines)]


async def test_a_wsdl_alone_is_a_service_that_zeep_reads_and_calls(tmp_path: Path) -> None:
    def session(address: str, request_id: str) -> tuple[Any, Any, Any, Any, Any]:
        meter = service(f"{address}/services/Meter?wsdl")
        fields = {"requestId": request_id, "holderName": "样例一", "meterNo": "SY-0001"}
        nothing = meter.Status(requestId=str(uuid4()))
        first, again = meter.Transfer(**fields), meter.Transfer(**fields)
        return nothing, first, again, meter.Status(requestId=request_id), meter.Reading("SY-1", 7)

    async with department(tmp_path, "meter.wsdl", "water") as city:
        request_id = str(uuid4())
        address = city.open["WA-water"]["api"]["url"]
        nothing, first, again, status, read_at = await asyncio.to_thread(session, address, request_id)
        assert any(f"WSDL: {address}/services/Meter?wsdl" in line for line in how_to_reach(city, "WA-water"))
    assert nothing.resultCode == 4
    assert (first.requestId, first.resultCode) == (request_id, 0)
    assert first.contract.number.startswith("样例")
    assert first.contract.deposit > 0
    assert (again.resultCode, again.contract.number) == (first.resultCode, first.contract.number)
    assert status.resultCode == 0
    assert isinstance(read_at, datetime)
    told = ledger(city, "WA-water")
    assert [kind for kind, one in told if one == request_id] == ["arrival", "effect", "reply", "arrival"]
    assert len([one for kind, one in told if kind == "effect"]) == 2


async def test_a_message_that_the_wsdl_does_not_know_is_a_fault(tmp_path: Path) -> None:
    body = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><x xmlns="urn:y"/></e:Body></e:Envelope>'
    async with department(tmp_path, "meter.wsdl") as city, aiohttp.ClientSession() as http:
        url = city.open["ME-meter"]["api"]["url"]
        async with http.post(f"{url}/services/Meter", data=body, headers={"SOAPAction": '""'}) as answer:
            assert answer.status == 500
            assert "Fault" in await answer.text()
        for path in ("/services/../../secret.xsd", "/services/schemas/none.xsd", "/services/Other"):
            async with http.get(url + path) as answer:
                assert answer.status == 404


def schema_of(name: str) -> dict[str, Any]:
    document = yaml.safe_load((FILES / "waste.yaml").read_text())
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


async def test_an_openapi_file_alone_is_a_service_whose_answers_its_own_schema_accepts(tmp_path: Path) -> None:
    verdict = Draft202012Validator(schema_of("Verdict"), format_checker=Draft202012Validator.FORMAT_CHECKER)
    async with department(tmp_path, "waste.yaml") as city:
        token = (city.folder / "keys" / "secrets" / "waste_token").read_text()
        url = city.open["WA-waste"]["api"]["url"] + "/api/v3"
        async with aiohttp.ClientSession() as http, http.post(f"{url}/pickups", json={}) as answer:
            assert answer.status == 401
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            for _ in range(20):
                sent = {"requestId": str(uuid4()), "xm": "样例一", "address": "样例路1号", "day": "2026-03-02"}
                async with http.get(f"{url}/pickups/{sent['requestId']}") as answer:
                    assert answer.status == 404
                answers = []
                for _ in range(2):
                    async with http.post(f"{url}/pickups", json=sent) as answer:
                        assert answer.status == 201
                        answers.append(await answer.json())
                async with http.get(f"{url}/pickups/{sent['requestId']}") as answer:
                    answers.append(await answer.json())
                assert answers[0] == answers[1] == answers[2]
                verdict.validate(answers[0])
                assert answers[0]["requestId"] == sent["requestId"]
                assert answers[0]["resultCode"] == 0
            whole = {"requestId": str(uuid4()), "xm": "样例一", "address": "样例路1号", "day": "2026-03-02"}
            for wrong in ({}, {**whole, "more": 1}, {"requestId": str(uuid4()), "xm": "样例一"}):
                async with http.post(f"{url}/pickups", json=wrong) as answer:
                    assert answer.status == 422
            async with http.post(f"{url}/blocks/7/complaints", json={"text": "样例"}) as answer:
                assert (answer.status, list(await answer.json())) == (200, ["ticket"])
    effects = [one for kind, one in ledger(city, "WA-waste") if kind == "effect"]
    assert len(effects) == len(set(effects)) == 21


async def test_faults_are_dialled_as_for_any_department(tmp_path: Path) -> None:
    faults = {Situation.API: {Fault.ERROR_AFTER_EFFECT_500: 1.0}}
    async with department(tmp_path, "waste.yaml", faults=faults) as city:
        token = (city.folder / "keys" / "secrets" / "waste_token").read_text()
        url = city.open["WA-waste"]["api"]["url"] + "/api/v3/pickups"
        sent = {"requestId": "r-1", "xm": "样例一", "address": "样例路1号", "day": "2026-03-02"}
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json=sent) as answer:
            assert answer.status == 500
        assert city.injected() == {"error_after_effect_500": 1}
    assert ledger(city, "WA-waste") == [("arrival", "r-1"), ("effect", "r-1")]


def record_file(people: list[tuple[str, str]], *, fixed: bool) -> tuple[bytes, bytes]:
    """What a system of somebody else writes: the records, and the control file beside them."""
    rows = [(str(uuid4()), "GR01", name, number, "8850") for name, number in people]
    if fixed:
        widths = (36, 4, 40, 18, 8)
        lines = [
            b"".join(cell.encode("gb18030").ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        content = b"".join(line + b"\r\n" for line in lines)
    else:
        titles = ("LSH", "YWDM", "XM", "SFZH", "MJ")
        content = "".join(f"{','.join(row)}\r\n" for row in (titles, *rows)).encode("gb18030")
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return content, f"rows={len(rows)}\r\nmd5={digest}\r\n".encode()


def waited(found: Callable[[], list[str]]) -> list[str]:
    until = time.monotonic() + 60
    while not (names := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return names


@pytest.mark.parametrize("fixed", [True, False])
async def test_a_record_layout_alone_is_an_exchange_of_files(tmp_path: Path, fixed: bool) -> None:
    def exchange(place: dict[str, Any], password: str) -> list[bytes]:
        with paramiko.Transport((place["host"], place["port"])) as transport:
            transport.connect(username=place["username"], password=password)
            assert f"{transport.get_remote_server_key().get_name()} " in place["host_key"]
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            content, control = record_file(
                [("样例一", "310117200002299934"), ("样例二", "31011719900101991X")], fixed=fixed
            )
            with client.open("/out/HE_20260302_01.txt", "wb") as file:
                file.write(content)
            with client.open("/out/HE_20260302_01.ok", "wb") as file:
                file.write(control)
            answered: list[bytes] = []
            while sum(one.count(b"\r\n") - (not fixed) for one in answered) < 2:
                names = waited(
                    lambda: sorted(name for name in client.listdir("/back") if name.endswith(".ok"))[len(answered) :]
                )
                for name in names:
                    with client.open(f"/back/{name.removesuffix('.ok')}.txt", "rb") as file:
                        answered.append(file.read())
            return answered

    layout = tmp_path / "heating.csv"
    rows = [line.split(",") for line in (FILES / "heating.csv").read_text().splitlines()]
    kept = rows if fixed else [row if row[0] == "record" else [*row[:4], "", *row[5:]] for row in rows]
    layout.write_text("".join(",".join(row) + "\n" for row in kept))
    async with department(tmp_path / "city", str(layout)) as city:
        told = list(how_to_reach(city, "HE-heating"))
        password = (city.folder / "keys" / "secrets" / "heating_sftp").read_text()
        answers = await asyncio.to_thread(exchange, city.open["HE-heating"]["file_drop"], password)
    assert any("put files into /out" in line for line in told)
    text = b"".join(answers).decode("gb18030")
    references = [one for kind, one in ledger(city, "HE-heating") if kind == "effect"]
    assert len(references) == 2
    assert all(one in text for one in references)
    assert "样例" in text


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *(("meter.wsdl", "water"), ("waste.yaml", "waste"), ("heating.csv", "heat")),
        *(("ashes.wsdl", "ashes"), ("quakes.csv", "quakes"), ("trees.wsdl", "trees"), ("permits.yaml", "permits")),
    ],
)
async def test_a_plugin_that_was_begun_from_the_same_file_speaks_with_it(tmp_path: Path, file: str, name: str) -> None:
    site = tmp_path / "site"
    written = RUN.invoke(new_plugin, [name, "--from", str(FILES / file), "--site", str(site)])
    assert written.exit_code == 0, (written.output, written.exception)
    (registered,) = register_departments(str(site))
    (system,) = registered.systems
    async with department(tmp_path / "city", file, name) as city:
        (ours,) = (one for department in city.site.departments for one in department.systems)
        assert ours.key == system.name
        (theirs,) = tomllib.loads((site / name / "department.toml").read_text())["systems"]
        assert ours.result_field == theirs["result_field"]
        table = ours.channels[0].rest or ours.channels[0].file_drop or {}
        declared = theirs["channels"][0].get("rest") or theirs["channels"][0].get("file_drop") or {}
        assert {key: table[key] for key in table} == {key: declared[key] for key in table}
        settings = city.write_places()
        for case in sorted((site / name / "samples").glob("*.json")):
            arguments = ["try", name, "--case", str(case), "--site", str(site), "--settings", str(settings), "--json"]
            tried = await asyncio.to_thread(RUN.invoke, plugins_command.app, [*arguments, "--send"])
            assert tried.exit_code == 0, (tried.output, tried.exception)
            outcomes = [one["outcome"] for one in json.loads(tried.output)["answers"]]
            assert outcomes == ["awaiting a reply" if file.endswith(".csv") else "granted"]


async def test_refusals_and_returns_fit_the_contract_too(tmp_path: Path) -> None:
    shares = {ResultKind.REFUSED: 0.5, ResultKind.RETURNED: 0.5}

    def verdicts(address: str) -> set[int]:
        meter = service(f"{address}/services/Meter?wsdl")
        return {meter.Transfer(requestId=str(uuid4()), holderName="样例", meterNo="1").resultCode for _ in range(20)}

    async with department(tmp_path, "meter.wsdl", shares=shares) as city:
        assert await asyncio.to_thread(verdicts, city.open["ME-meter"]["api"]["url"]) == {1, 2}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "none.csv",
            "record,part,name\nA,request,LSH\nA,request,XM\nA,reply,LSH\nB,request,XM\nB,reply,JGDM\n",
            "a field for the result",
        ),
        ("水.wsdl", "<definitions/>", "letters, digits"),
        ("empty.yaml", "paths: {}\n", "no operation"),
    ],
)
def test_what_no_department_can_be_made_of_is_refused_in_a_sentence(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(OutlineRefused, match=said):
        contract_city([tmp_path / name])


def test_several_files_make_several_departments_with_codes_of_their_own() -> None:
    made = contract_city([FILES / "waste.yaml", FILES / "meter.wsdl"], ["water", "waste"])
    assert [one.code for one in made.site.departments] == ["WA", "WAS"]
    assert made.left_without == {"WA-water": ["complain"], "WAS-waste": ["Reading"]}


ONEDOOR = Path(sys.executable).with_name("onedoor")


@contextmanager
def simulated(folder: Path, *arguments: str | Path, path: Path | None = None) -> Iterator[str]:
    """The command as a process; what it says before it waits."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **({"PYTHONPATH": str(path)} if path else {})}
    command = [ONEDOOR, "simulate", *arguments, "--folder", folder / "data"]
    with (
        (folder / "screen").open("w") as screen,
        subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT, env=environment) as running,
    ):
        try:
            until = time.monotonic() + 60
            while "End with Ctrl-C" not in (shown := (folder / "screen").read_text()):
                assert running.poll() is None, shown
                assert time.monotonic() < until, shown
                time.sleep(0.1)
            yield shown
        finally:
            running.send_signal(signal.SIGINT)
            code = running.wait(30)
    assert code == 0


def test_the_command_runs_a_contract_file_and_says_how_to_reach_it(tmp_path: Path) -> None:
    with simulated(tmp_path, "water", "--from", FILES / "meter.wsdl") as shown:
        address = re.search(r"WSDL: (http://\S+)", shown)
        assert address is not None
        assert service(address[1]).Reading("SY-1", 7) is not None
    assert (tmp_path / "data" / "ledgers" / "WA-water.jsonl").read_text().count('"effect"') == 1


def test_departments_that_a_package_brings_are_simulated_too(tmp_path: Path) -> None:
    """As in a city that lets in an installed package by ``plugins = ["sewage"]``."""
    written = RUN.invoke(new_plugin, ["sewage", "--package", "--situation", "api", "--site", str(tmp_path)])
    assert written.exit_code == 0, written.output
    package, installed = tmp_path / "onedoor-sewage", tmp_path / "installed"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, *install, "--target", installed, package], check=True, capture_output=True)
    with simulated(tmp_path, "SE", "--site", package / "tests" / "site", path=installed) as shown:
        address = re.search(r"SE-sewage +api +(http://\S+)", shown)
        assert address is not None
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address[1], timeout=10)


def test_a_plugin_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="plugin sewage: install it"):
        packaged_folders(["sewage"])
    assert packaged_folders(["toml"]) == {}


def every_operation(url: str) -> list[str]:
    """Call all that a WSDL has, with something of the right type in every element; those that failed."""
    client: Any = zeep.Client(url)  # type: ignore[no-untyped-call] # zeep is typed in parts
    failed: list[str] = []
    for found in client.wsdl.services.values():
        port = next(iter(found.ports.values()))
        bound = client.bind(found.name, port.name)
        for name, operation in port.binding.all().items():
            parts = dict(operation.input.body.type.elements)
            try:
                getattr(bound, name)(**{one: filled(element) for one, element in parts.items()})
            except (zeep.exceptions.Error, ValueError, TypeError) as error:
                failed.append(f"{name}: {error}")
    return failed


def filled(element: Any) -> Any:
    parts = dict(getattr(element.type, "elements", ()))
    kind = getattr(getattr(element.type, "_default_qname", None), "localname", "string")
    plain = {"int": 1, "integer": 1, "long": 1, "decimal": 1, "boolean": True, "date": "2026-01-05"}.get(kind, "样例")
    value = {one: filled(part) for one, part in parts.items()} if parts else plain
    return [value] if element.accepts_multiple else value


@pytest.mark.parametrize("wsdl", sorted(sample_site().glob("*/wsdl/*.wsdl")), ids=lambda one: one.stem)
async def test_whatever_a_wsdl_declares_is_answered_as_it_declares(tmp_path: Path, wsdl: Path) -> None:
    """Those too whose one text hides what they say, in every version and style that the city has."""
    async with department(tmp_path, str(wsdl)) as city:
        ((key, place),) = city.open.items()
        (system,) = (one for of in city.site.departments for one in of.systems)
        path = (system.channels[0].soap or {}).get("base_path", "")
        assert await asyncio.to_thread(every_operation, f"{place['api']['url']}{path}?wsdl") == []
    assert any(kind == "effect" for kind, _ in ledger(city, key))


async def test_an_openapi_2_file_in_json_without_a_delivery_id_is_served_as_well(tmp_path: Path) -> None:
    answer = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}
    body = {"in": "body", "schema": {"type": "object", "required": ["xm"], "properties": {"xm": {"type": "string"}}}}
    operation = {"parameters": [body], "responses": {"200": {"schema": answer}}}
    document = {"swagger": "2.0", "basePath": "/old", "paths": {"/apply": {"post": operation}}}
    (tmp_path / "old.json").write_text(json.dumps(document))
    async with department(tmp_path / "city", str(tmp_path / "old.json")) as city, aiohttp.ClientSession() as http:
        url = city.open["OL-old"]["api"]["url"]
        for _ in range(2):
            async with http.post(f"{url}/old/apply", json={"xm": "样例"}) as said:
                assert (said.status, list(await said.json())) == (200, ["ok"])
        assert any("every message is a new one" in line for line in how_to_reach(city, "OL-old"))
    assert [kind for kind, _ in ledger(city, "OL-old")].count("effect") == 2
