"""What is certified: a system of a site, as its plugin registered it, and its tables where it is declared by tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.errors import OnedoorError
from contracts.plugin import Channel, System
from contracts.records import Fields, record
from contracts.registration import registered
from contracts.site import ChannelFile, Site, SystemFile, protocol_of
from contracts.situation import ChannelStatus, Situation
from simulators.site_folders import site_with_packages


class NothingToCertify(OnedoorError):
    """The site has no such system, or its plugin cannot be loaded; the text says what there is."""


@record
class Subject:
    """A system. ``file``: its table in department.toml, None where its plugin is Python alone; ``folder``: its department's.

    ``way``: which of its channels is meant; None: the one that sends.
    """

    site: Site
    system: System
    department_zh: str
    department_en: str
    file: SystemFile | None
    folder: Path | None
    way: Situation | None = None

    @property
    def channel(self) -> Channel:
        """The channel that is certified. Raises NothingToCertify."""
        for channel in self.system.channels:
            if self._meant(channel):
                return channel
        way = self.way.value if self.way is not None else "sending"
        has = ", ".join(channel.situation.value for channel in self.system.channels)
        raise NothingToCertify(f"{self.system.name} has no {way} channel; it has {has or 'none'}")

    @property
    def declared(self) -> ChannelFile | None:
        """The same as department.toml has it."""
        channels = self.file.channels if self.file is not None else ()
        return next((one for one in channels if self._meant(one)), None)

    @property
    def table(self) -> tuple[str, Fields] | None:
        """Its protocol and table, where it is declared as a table."""
        declared = self.declared
        return protocol_of(declared) if declared is not None else None

    def auth(self) -> tuple[str, Sequence[str]]:
        """How its table says that the hub proves who it is: the kind, and the names of the secrets."""
        table = self.table
        said = table[1].get("auth") if table is not None else None
        if not isinstance(said, Mapping):
            return "", ()
        names = said.get("secrets")
        return str(said.get("kind", "")), [str(one) for one in names] if isinstance(names, Sequence) else ()

    def _meant(self, channel: Channel | ChannelFile) -> bool:
        if self.way is None:
            return channel.status is ChannelStatus.SENDING
        return channel.situation is self.way


def subjects(root: Path) -> tuple[Subject, ...]:
    """Every system of a site that sends. Raises SiteError, PluginsRefused, NothingToCertify."""
    root = root.resolve()
    site = site_with_packages(root)
    found = registered(root, site.plugins)
    if found.broken:
        told = "; ".join(f"plugin {name} {why}" for name, why in found.broken.items())
        raise NothingToCertify(f"not every plugin of the site can be loaded: {told}")
    files = {system.key: system for department in site.departments for system in department.systems}
    return tuple(
        Subject(
            site=site,
            system=system,
            department_zh=department.name_zh,
            department_en=department.name_en,
            file=files.get(system.name),
            folder=(root / site.files[department.code]).parent if department.code in site.files else None,
        )
        for department in found.departments
        for system in department.systems
        if any(channel.status is ChannelStatus.SENDING for channel in system.channels)
    )


def chosen(every: Sequence[Subject], name: str) -> tuple[Subject, ...]:
    """The systems that a name means: a system's key, a department's code or its folder. Raises NothingToCertify."""
    found = tuple(
        one
        for one in every
        if name in {one.system.name, one.system.department, one.folder.name if one.folder is not None else ""}
    )
    if not found:
        raise NothingToCertify(
            f"the site has no department or system {name}; it has {', '.join(one.system.name for one in every)}"
        )
    return found
