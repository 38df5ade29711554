"""The built-in plugin: departments that are complete as TOML.

It loads a site folder, gives every channel to the adapter of its protocol and reports all mistakes of the folder at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from adapters import file_drop, paper, rest, soap
from contracts.errors import SiteError, SiteMistake
from contracts.plugin import Channel, Department, Gateway, Runtime, System, hookimpl, in_front
from contracts.site import ChannelFile, DepartmentFile, Site, SystemFile, mistakes_of, protocol_of, read_site
from contracts.toml_lines import Location

Make: TypeAlias = Callable[[SystemFile, ChannelFile], Channel]
"""An adapter's entry. Raises ValueError, pydantic's ValidationError included, for a table or an operation it cannot serve."""


@hookimpl
def register_departments(site: str) -> Sequence[Department]:
    """Every department of the site folder ``site``. Raises SiteError with every mistake, the adapters' included."""
    city, mistakes = read_site(Path(site))
    return _departments(city, mistakes, lambda _: True)


def packaged_department(site: str, folder: Path) -> Sequence[Department]:
    """The department whose department.toml, items and WSDLs lie in ``folder``, for the hook of a package of its own.

    It shares the site's centres, code lists, form fields and papers. Raises SiteError as ``register_departments`` does.
    """
    city, mistakes = read_site(Path(site), beside=[folder])
    home = (folder / "department.toml").resolve().as_posix()
    return _departments(city, mistakes, lambda file: file == home)


def _departments(
    city: Site | None, found: Sequence[SiteMistake], is_wanted: Callable[[str], bool]
) -> Sequence[Department]:
    """What the adapters make of the departments whose file is wanted; or every mistake, theirs after those that were found."""
    mistakes = list(found)
    if city is None:
        raise SiteError(mistakes)
    wanted = [one for one in city.departments if is_wanted(city.files[one.code])]
    departments = [_department(city, department, mistakes) for department in wanted]
    if mistakes:
        raise SiteError(mistakes)
    return departments


def sample_site() -> Path:
    """The sample city that is shipped beside this module."""
    return Path(__file__).parent


def _adapters(city: Site, folder: Path) -> Mapping[str, Make]:
    """The protocols that a channel may name. A sheet prints codes with their names; a WSDL lies in the department's folder."""
    return {
        "rest": rest.make,
        "soap": partial(soap.make, folder=folder),
        "file_drop": file_drop.make,
        "paper": partial(paper.make, code_lists=city.code_lists),
    }


def _department(city: Site, department: DepartmentFile, mistakes: list[SiteMistake]) -> Department:
    return Department(
        code=department.code,
        name_zh=department.name_zh,
        name_en=department.name_en,
        systems=tuple(_system(city, department, index, mistakes) for index in range(len(department.systems))),
        items=tuple(item for item in city.items if item.owner == department.code),
    )


def _system(city: Site, department: DepartmentFile, index: int, mistakes: list[SiteMistake]) -> System:
    system = department.systems[index]
    return System(
        name=system.key,
        department=department.code,
        name_zh=system.name_zh,
        name_en=system.name_en,
        operations={operation.key: operation for operation in system.operations},
        channels=tuple(_channels(city, department, index, mistakes)),
        successor=system.successor,
    )


def _channels(city: Site, department: DepartmentFile, index: int, mistakes: list[SiteMistake]) -> Iterator[Channel]:
    root, file = Path(city.root), city.files[department.code]
    system, adapters = department.systems[index], _adapters(city, (root / file).parent)
    for number, channel in enumerate(system.channels):
        try:
            protocol, _ = protocol_of(channel)
        except ValueError:
            continue  # told already, when the files were held against each other
        at = ("systems", index, "channels", number, protocol)
        try:
            made = replace(adapters[protocol](system, channel), auto_fallback=channel.auto_fallback)
            yield made if channel.gateway is None else in_front(made, _own_gateway(channel.gateway))
        except ValueError as whole:
            for below, error in _blame(adapters[protocol], system, channel) or [(None, whole)]:
                where: Location = (
                    at if below is None else ("systems", index, "operations", below, "wire", channel.situation.value)
                )
                mistakes.extend(mistakes_of(root, file, error, where))


def _own_gateway(module: str) -> Callable[[Gateway, Runtime], Gateway]:
    """The function ``gateway`` of an installed module. Raises ValueError where there is none."""
    try:
        found: Callable[[Gateway, Runtime], Gateway] = import_module(module).gateway
    except (ImportError, AttributeError) as error:
        raise ValueError(f"gateway: no installed module {module} has a function gateway") from error
    return found


def _blame(make: Make, system: SystemFile, channel: ChannelFile) -> Sequence[tuple[int | None, ValueError]]:
    """What ``make`` refuses on its own: the channel's table (None), else operations by their index; none: their combination."""
    try:
        make(replace(system, operations=()), channel)
    except ValueError as error:
        return [(None, error)]
    found: list[tuple[int | None, ValueError]] = []
    for index, operation in enumerate(system.operations):
        try:
            make(replace(system, operations=(operation,)), channel)
        except ValueError as error:
            found.append((index, error))
    return found
