"""What somebody must know to call a department that was made of its contract file: addresses, operations, secrets, folders, columns."""

from collections.abc import Iterator

from adapters.file_drop_table import FileDropTable
from adapters.rest_table import RestTable
from adapters.soap_table import SoapTable
from contracts.site import SystemFile
from contracts.situation import Situation
from simulators.file_department import file_drop_table
from simulators.made_secrets import secret_names
from simulators.world import World


def how_to_reach(city: World, key: str) -> Iterator[str]:
    """A line a fact, for the screen. Secrets are named by the files that hold them."""
    system = next(one for department in city.site.departments for one in department.systems if one.key == key)
    channel = system.channels[0]
    if channel.rest is not None:
        yield from _rest(system, RestTable.model_validate(dict(channel.rest)), city.open[key]["api"]["url"])
    elif channel.soap is not None:
        yield from _soap(system, SoapTable.model_validate(dict(channel.soap)), city.open[key]["api"]["url"])
    else:
        yield from _files(system, file_drop_table(system), city.open[key]["file_drop"])
    for name in secret_names(system):
        yield f"secret {name}: in {city.folder / 'keys' / 'secrets' / name}"


def _rest(system: SystemFile, table: RestTable, url: str) -> Iterator[str]:
    for operation in system.operations:
        wire = operation.wire[Situation.API]
        yield f"{wire['method']} {url}{table.base_path}{wire['path']}"
    if table.enquire_path:
        yield f"GET {url}{table.base_path}{table.enquire_path}"
    yield f"auth: {table.auth.kind}{f', header {table.auth.header}' if table.auth.header else ''}"
    yield _reference(table.reference.place, table.reference.name)


def _soap(system: SystemFile, table: SoapTable, url: str) -> Iterator[str]:
    yield f"WSDL: {url}{table.base_path}?wsdl (SOAP {table.soap_version}, {table.style})"
    yield f"operations: {', '.join(str(one.wire[Situation.API]['operation']) for one in system.operations)}"
    if table.enquire_operation:
        yield f"asked after by: {table.enquire_operation}"
    yield _reference(table.reference.place, table.reference.name)


def _reference(place: str, name: str) -> str:
    if place == "connection":
        return "no field carries a delivery id: every message is a new one"
    return f"delivery id: {name}; the same id again gets the first answer and no second effect"


def _files(system: SystemFile, table: FileDropTable, place: dict[str, object]) -> Iterator[str]:
    login = table.auth.password
    yield f"sftp -P {place['port']} {place['username']}@{place['host']}, its password is the secret {login}"
    yield f"host key: {place['host_key']}"
    control = table.control_file.suffix if table.control_file else ""
    yield f"put files into {table.out.dir} as {table.out.pattern}, in {table.encoding}; then {control} beside it with rows= and md5="
    yield f"results come into {table.back.dir} as {table.back.pattern}, with {control} beside each"
    for operation in system.operations:
        asked = ", ".join(_column(one.name, one.width_bytes) for one in operation.request)
        told = ", ".join(_column(one.name, one.width_bytes) for one in operation.reply)
        code = operation.wire[Situation.FILE_DROP]["operation_code"]
        lead = (
            f"{_column(table.reference.name, table.reference.width if table.format == 'fixed' else None)}, YWDM={code}"
        )
        yield f"record ({table.format}): {lead}, {asked}"
        yield f"answer: {lead}, {system.result_field}{f', {told}' if told else ''}"


def _column(name: str, width: int | None) -> str:
    return f"{name}:{width}" if width else name
