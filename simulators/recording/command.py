"""``onedoor simulate record`` and ``--replay``: real traffic as a recording about nobody, and a department that answers by it."""

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts.errors import OnedoorError
from contracts.site import SystemFile
from simulators.from_contract import contract_city
from simulators.made_secrets import secret
from simulators.recording.declared import of_contract, of_site
from simulators.recording.file_replay import FileReplay
from simulators.recording.files import record_files
from simulators.recording.proxy import RecordingProxy
from simulators.recording.replay import Replay, ledger_in
from simulators.recording.sifting import NOTHING, Declared, Sieve
from simulators.recording.tape import EXCHANGES, Tape, read_tape
from simulators.sftp_server import Account, sftp_server
from simulators.site_folders import site_with_packages

FILES = "files.json"
"""The list of a recording of files."""


class RecordRefused(OnedoorError):
    """What is to be recorded is not clear; the text says what is missing."""


def record(
    out: Annotated[Path, typer.Option(help="New folder for the recording.")],
    to: Annotated[str | None, typer.Option(help="The department's (test) address that calls go on to.")] = None,
    files: Annotated[Path | None, typer.Option(help="Instead: a folder of real exchanged files.")] = None,
    contract: Annotated[
        Path | None, typer.Option("--from", help="Contract file: names, codes, and the layout of files.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="Site folder that declares the fields.")] = None,
    system: Annotated[str | None, typer.Option(help="The system of the site whose traffic it is.")] = None,
    secrets: Annotated[
        Path | None, typer.Option(help="Folder of secrets, a file each: the passwords of archives.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where the hub finds the proxy, on loopback; 0: a free port.")] = 0,
) -> None:
    """Record real traffic with every personal value replaced by a made-up one, before anything is written.

    Example: onedoor simulate record --to https://department.test --out recording --from water.wsdl
    """
    if (to is None) == (files is None):
        raise RecordRefused("say what to record: --to ADDRESS for calls, or --files FOLDER for exchanged files")
    sieve = Sieve(_declared(contract, site, system))
    console = Console(highlight=False)
    if files is not None:
        _files(_system(contract, site, system), files, out, sieve, _opener(secrets), console)
        return
    tape = Tape(out / EXCHANGES, "http")
    try:
        asyncio.run(_record(str(to), tape, sieve, port, console))
    finally:
        tape.close()
    console.print(f"Recording: {out / EXCHANGES}", soft_wrap=True)


def _declared(contract: Path | None, site: Path | None, system: str | None) -> Declared:
    if site is not None:
        return of_site(site_with_packages(site), frozenset({system}) if system else None)
    return of_contract(contract) if contract is not None else NOTHING


def _system(contract: Path | None, site: Path | None, system: str | None) -> SystemFile:
    """Whose layout the files have."""
    city = contract_city([contract]).site if contract and site is None else site_with_packages(site) if site else None
    found = [one for of in city.departments for one in of.systems if system in (None, one.key)] if city else []
    if len(found) != 1:
        raise RecordRefused(
            "files are read by their layout: give --from LAYOUT.csv, or --site FOLDER with --system KEY"
        )
    return found[0]


def _opener(folder: Path | None) -> Callable[[str], str]:
    """What opens a secret by its name. Raises RecordRefused where there is no such file."""

    def opened(name: str) -> str:
        try:
            return ((folder or Path()) / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RecordRefused(f"the secret {name} is needed: give the folder that holds it with --secrets") from error

    return opened


def _files(
    system: SystemFile, folder: Path, out: Path, sieve: Sieve, secret: Callable[[str], str], console: Console
) -> None:
    if out.exists():
        raise RecordRefused(f"{out} is there already: name another folder with --out")
    done = record_files(system, folder, out, sieve, secret)
    for one in done:
        told = one.problem or f"{one.rows} records"
        console.print(f"{one.folder}/{one.name}: {told}", soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    told_ = [{"folder": one.folder, "name": one.name, "rows": one.rows, "problem": one.problem} for one in done]
    (out / FILES).write_text(json.dumps(told_, indent=2) + "\n", encoding="utf-8")


async def _record(to: str, tape: Tape, sieve: Sieve, port: int, console: Console) -> None:
    stop = _stopped()
    async with RecordingProxy(to, tape, sieve).serving(port) as proxy:
        console.print(
            f"Records calls at {proxy.url}; they go on to {to}. Let the hub's settings name it. End with Ctrl-C.",
            soft_wrap=True,
        )
        await stop.wait()
    counts = ", ".join(f"{name}: {count}" for name, count in sorted(proxy.counts.items()))
    left_out = f" Left out: {sum(proxy.left_out.values())}." if proxy.left_out else ""
    console.print(f"Ended. Recorded {counts or 'nothing'}.{left_out}", soft_wrap=True)


def replay(
    file: Path, folder: Path, port: int, speed: float, contract: Path | None, site: Path | None, names: Sequence[str]
) -> None:
    """Answer as recorded until Ctrl-C; a recording of files needs its layout. Raises RecordingRefused, RecordRefused."""
    console = Console(highlight=False)
    if file.is_dir() and (file / FILES).exists():
        system = _system(contract, site, names[0] if names else None)
        asyncio.run(_replay_files(FileReplay(system, file, folder / "files", ledger_in(folder)), port, folder, console))
        return
    exchanges = read_tape(file / EXCHANGES if file.is_dir() else file)
    asyncio.run(_replay(Replay(exchanges, ledger_in(folder), speed), port, console))


async def _replay_files(department: FileReplay, port: int, folder: Path, console: Console) -> None:
    stop = _stopped()
    password = secret(folder / "sftp-password")
    account = Account(username="onedoor", password=password, root=department.root)
    with sftp_server([account], port=port) as server, department.working():
        console.print(
            f"Answers files at sftp://onedoor@{server.host}:{server.port} as recorded; its password is in {folder / 'sftp-password'},"
            f" its host key {server.host_key}. End with Ctrl-C.",
            soft_wrap=True,
        )
        await stop.wait()
    console.print(f"Ended. Result files written: {department.answered}; not recorded: {len(department.strange)}.")


async def _replay(department: Replay, port: int, console: Console) -> None:
    stop = _stopped()
    async with department.serving(port):
        operations = ", ".join(sorted({one.operation for one in department.exchanges}))
        console.print(f"Answers at {department.url} as recorded: {operations}. End with Ctrl-C.", soft_wrap=True)
        await stop.wait()
    strange = ", ".join(f"{name}: {count}" for name, count in sorted(department.strange.items()))
    console.print(
        f"Ended. Answered {sum(department.counts.values())}; not recorded: {strange or 'none'}.", soft_wrap=True
    )


def _stopped() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
