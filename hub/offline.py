"""The city as commands know it while no hub runs: everything that units of work need, no channel open, nobody asked anything."""

from contracts.site import load_site
from hub.app import site_folder
from hub.catalogue import load_items
from hub.city import City
from hub.clock import calendar
from hub.keys import Keys
from hub.settings import Settings
from hub.store.connection import Connection
from hub.systems import OpenChannel, Systems, register


def closed_city(settings: Settings, connection: Connection, keys: Keys) -> City:
    """Raises SiteError, PluginsRefused, CatalogueRefused."""
    folder = site_folder(settings)
    site = load_site(folder)
    systems = Systems(registered=register(folder, site.plugins))
    for system in systems.registered.systems.values():
        for channel in system.channels:
            systems.channels[system.name, channel.situation] = OpenChannel(system.name, channel, gateway=None)
    return City(
        region=site.region,
        timezone=site.timezone,
        calendar=calendar(site.timezone, site.calendars),
        centres=site.centres,
        items=load_items(connection, site.region),
        systems=systems.facts(),
        keys=keys,
        materials={kind.code: kind.name_zh for kind in site.materials.values()},
        correction_days=settings.correction_days,
        archive_after_days=settings.archive_after_days,
    )
