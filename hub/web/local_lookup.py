"""Looking things up and making a backup over the local socket, for ``onedoor cases``, ``catalogue``, ``journal`` and ``backup``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import Field

from contracts.api import CaseView
from contracts.records import adapter, record
from hub import backups, lookup, readings
from hub.backups import Backup
from hub.cloud_events import parse_json, read_data
from hub.lookup import Belongs, CaseLine, CaseQuestion, Published
from hub.orders import Person
from hub.readings import Reader, Reading, Way, What
from hub.store.connection import Connection
from hub.web.asking import HUB, body_of
from hub.web.cases import JSON_HEADERS

LIMIT = 4_096
T = TypeVar("T")


@record
class Number:
    """Any number: of a case, a message, a sheet, a delivery, a task, a batch. In the body, since a message's id is its sender's."""

    number: str


@record
class BackupRequest:
    """``target``: a folder that is not there yet, as the hub's machine names it."""

    target: str
    by: str


@record
class ReadersQuestion:
    """Who asks who has read a thing, named as its chain: a case number, ``account:zhang``, ``handover:JJ…``, ``scan:…``, ``database``."""

    of: Annotated[str, Field(pattern=f"^({readings.THING})$")]
    limit: int
    by: str


async def list_cases(request: web.Request) -> web.Response:
    """POST /admin/cases: the newest cases that fit."""
    question = read_data(CaseQuestion, parse_json(await body_of(request, LIMIT)))
    return await _read(request, tuple[CaseLine, ...], lambda c, region: lookup.cases(c, region, question))


async def show_case(request: web.Request) -> web.Response:
    """POST /admin/cases/{case_no}/show: who looks stands in the body."""
    hub, case_no = request.app[HUB], request.match_info["case_no"]
    asked = read_data(Person, parse_json(await body_of(request, LIMIT)))
    answer = await _read(request, CaseView, lambda c, region: lookup.case(c, region, hub.keys, case_no))
    await hub.readings.shown(Reading(of=case_no, what=What.CASE, by=asked.by, way=Way.COMMAND), hub.now_ms())
    return answer


async def show_readers(request: web.Request) -> web.Response:
    """POST /admin/readers."""
    hub = request.app[HUB]
    asked = read_data(ReadersQuestion, parse_json(await body_of(request, LIMIT)))
    answer = await _read(
        request, tuple[Reader, ...], lambda c, region: readings.readers(c, region, asked.of, asked.limit)
    )
    await hub.readings.shown(Reading(of=asked.of, what=What.READERS, by=asked.by, way=Way.COMMAND), hub.now_ms())
    return answer


async def find_number(request: web.Request) -> web.Response:
    """POST /admin/find."""
    asked = read_data(Number, parse_json(await body_of(request, LIMIT)))
    return await _read(request, tuple[Belongs, ...], lambda c, region: lookup.find(c, region, asked.number))


async def list_items(request: web.Request) -> web.Response:
    """GET /admin/items: every published version."""
    return await _read(request, tuple[Published, ...], lookup.published)


async def make_backup(request: web.Request) -> web.Response:
    """POST /admin/backup: returns when the backup is whole, checked and on disk."""
    hub = request.app[HUB]
    wanted = read_data(BackupRequest, parse_json(await body_of(request, LIMIT)))
    await hub.runtime.in_thread(backups.check_target, hub.settings.data, Path(wanted.target))
    # Not refused while nothing can be written: that is when a copy is wanted most.
    taken = Reading(of=readings.DATABASE, what=What.BACKUP, by=wanted.by, way=Way.COMMAND)
    await hub.readings.shown(taken, hub.now_ms())
    made = await hub.runtime.in_thread(
        backups.make, hub.settings.data, Path(wanted.target), hub.city.region, hub.runtime.now()
    )
    return web.Response(status=201, body=adapter(Backup).dump_json(made), headers=JSON_HEADERS)


async def _read(request: web.Request, of: type[T], query: Callable[[Connection, str], T]) -> web.Response:
    hub = request.app[HUB]
    found = await hub.read(lambda connection: query(connection, hub.city.region))
    return web.Response(body=adapter(of).dump_json(found), headers=JSON_HEADERS)


ROUTES = (
    web.post("/admin/cases", list_cases),
    web.post("/admin/cases/{case_no:[0-9]{24}}/show", show_case),
    web.post("/admin/readers", show_readers),
    web.post("/admin/find", find_number),
    web.get("/admin/items", list_items),
    web.post("/admin/backup", make_backup),
)
