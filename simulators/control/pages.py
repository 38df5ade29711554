"""The pages of the control server: server-rendered, in Chinese first; they work without scripts."""

import asyncio
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web

from adapters.sheet_glyphs import FONTS
from contracts.errors import OnedoorError
from simulators.control import api, people, views
from simulators.control.board import Board, NoSuchSystem
from simulators.control.forms import Form, latency_of, rule_of
from simulators.control.guard import TOKEN
from simulators.control.keys import BOARD
from simulators.control.words import LANGUAGES, name_of, speaker, told_latency, told_rule
from simulators.faults import KINDS, Fault
from simulators.scenario import Latency, Rule, Scenario, Spread, Weekday
from simulators.scenario_files import kinds_of, read_scenario, saved, shipped

HERE: Final = Path(__file__).parent
ROUTES = web.RouteTableDef()
LANGUAGE_COOKIE: Final = "simulators-language"
STATIC: Final = {"control.css": "text/css", "control.js": "text/javascript", "control.svg": "image/svg+xml"}
SLOW: Final = Spread(median=2.0, p99=15.0)

SECTIONS: list[str] = ["clerk.html", "recordings.html"]
"""Templates of ``templates/sections/`` that stand below the departments on the first page; each is given ``board``."""


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def language_of(request: web.Request) -> str:
    """As chosen in this browser, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else next(iter(LANGUAGES))


def shown(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """A page."""
    language = language_of(request)
    board = request.app[BOARD]
    text = (
        _environment()
        .get_template(template)
        .render(
            _=speaker(language),
            language=language,
            html_language=LANGUAGES[language],
            form_token=request[TOKEN],
            here=request.path_qs,
            site_name=board.city.site.name_zh if language == "zh" else board.city.site.name_en,
            name=lambda one: one["name_zh"] if language == "zh" else one["name_en"],
            fault_name=lambda fault: name_of(fault, language),
            fault_does=lambda fault: KINDS[Fault(fault)].does[0 if language == "zh" else 1],
            told_rule=lambda rule: told_rule(rule, language),
            told_latency=lambda latency: told_latency(latency, language),
            clock=lambda at: f"{datetime.fromisoformat(at).astimezone(ZoneInfo(board.city.site.timezone)):%H:%M:%S}",
            weekdays=list(Weekday),
            board=board,
            clerk_view=people.clerk_view,
            recording_views=people.recording_views,
            **values,
        )
    )
    return web.Response(text=text, status=status, content_type="text/html")


@ROUTES.get("/")
async def first_page(request: web.Request) -> web.Response:
    """Every department at a glance."""
    return _board_page(request)


def _board_page(
    request: web.Request, status: int = 200, problem: str = "", text: str = "", *, dialling: bool = False
) -> web.Response:
    board = request.app[BOARD]
    cards = [_card(board, key) for key in board.departments]
    return shown(
        request,
        "board.html",
        status,
        cards=cards,
        totals={name: sum(card["counts"][name] for card in cards) for name in views.COUNTED},
        faults_total=sum(sum(card["faults"].values()) for card in cards),
        shipped=_titles(language_of(request)),
        scenario_text=saved(board.scenario),
        everywhere=_everywhere(board),
        everywhere_open=dialling,
        problem=problem,
        typed=text,
        sections=SECTIONS,
    )


@cache
def _titles(language: str) -> list[tuple[str, str]]:
    """The scenarios that come along: their names, and what people call them."""
    found = []
    for name, path in shipped().items():
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        found.append((name, str(told["name_zh" if language == "zh" else "name"])))
    return found


def _card(board: Board, key: str) -> dict[str, Any]:
    running = board.running(key)
    view = views.system_view(board, running)
    rules, latencies = board.dialled(key, None)
    return {
        **view,
        "told": {"rules": rules, "latencies": latencies},
        "operations": [{**one, **_dial(board, key, one["key"])} for one in view["operations"]],
        "latest": list(reversed(list(running.ledger.recent)))[:5],
        "lost": any(one.kinds == {Fault.LOST_REPLY} and one.probability == 1 for one in rules),
        "slow": any(one.lognormal == SLOW for one in latencies),
    }


def _dial(board: Board, system: str | None, operation: str | None) -> dict[str, Any]:
    rules, latencies = board.dialled(system, operation)
    return {"rules": rules, "latencies": latencies}


def _everywhere(board: Board) -> dict[str, Any]:
    """The dial of all departments together, as that of an operation is told."""
    kinds = frozenset[Fault]().union(*(kinds_of(one.system, None) for one in board.departments.values()))
    return {"key": "", "kinds": [fault.value for fault in KINDS if fault in kinds], **_dial(board, None, None)}


@ROUTES.get("/systems/{system}")
async def system_page(request: web.Request) -> web.Response:
    """One system with every dial."""
    return _system_page(request)


def _system_page(request: web.Request, status: int = 200, problem: str = "", at: str = "") -> web.Response:
    board, key = request.app[BOARD], request.match_info["system"]
    running = _running(board, key)
    card = _card(board, key)
    whole = {
        "key": "",
        "name_zh": "整个系统",
        "name_en": "the whole system",
        "counts": card["counts"],
        "faults": card["faults"],
        "kinds": card["kinds"],
        **_dial(board, key, None),
    }
    return shown(
        request,
        "system.html",
        status,
        card=card,
        dials=[whole, *card["operations"]],
        entries=list(reversed(list(running.ledger.recent)))[:30],
        injected=views.injected(board, key, 20),
        everywhere=_dial(board, None, None),
        problem=problem,
        at=at,
    )


def _running(board: Board, key: str) -> Any:
    try:
        return board.running(key)
    except NoSuchSystem as error:
        raise web.HTTPNotFound(text=str(error)) from error


def _back(request: web.Request, form: Mapping[str, Any], usual: str) -> web.HTTPSeeOther:
    """To the page that the form was on; never elsewhere."""
    wanted = str(form.get("next", ""))
    ours = wanted.startswith("/") and not wanted.startswith("//") and wanted.isprintable() and "\\" not in wanted
    return web.HTTPSeeOther(wanted if ours else usual)


@ROUTES.post("/language")
async def set_language(request: web.Request) -> web.StreamResponse:
    """The one switch."""
    form = await request.post()
    answer = _back(request, form, "/")
    if form.get("language") in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, str(form["language"]), path="/", httponly=True, samesite="Lax")
    raise answer


@ROUTES.post("/systems/{system}/door")
async def door(request: web.Request) -> web.StreamResponse:
    """Switch on or off, or reset."""
    board, key, form = request.app[BOARD], request.match_info["system"], await request.post()
    _running(board, key)
    match form.get("do"):
        case "stop" | "start" as word:
            await board.switch(key, on=word == "start")
        case "reset":
            await board.reset(key)
    raise _back(request, form, f"/#{key}")


@ROUTES.post("/systems/{system}/quick")
async def quick(request: web.Request) -> web.StreamResponse:
    """What testers want most, one press each; pressed again it is over."""
    board, key, form = request.app[BOARD], request.match_info["system"], await request.post()
    running = _running(board, key)
    rules, latencies = board.dialled(key, None)
    match form.get("do"):
        case "lost":
            kept = tuple(one for one in rules if one.kinds != {Fault.LOST_REPLY})
            lost = Rule(system=key, fault=Fault.LOST_REPLY)
            possible = Fault.LOST_REPLY in kinds_of(running.system, None)
            board.turn(key, None, kept if len(kept) < len(rules) or not possible else (lost, *rules), latencies)
        case "slow":
            slow = Latency(system=key, lognormal=SLOW)
            board.turn(key, None, rules, () if latencies else (slow,))
        case "well":
            board.turn(key, None, (), ())
            for operation in views.carried(running):
                board.turn(key, operation, (), ())
    raise _back(request, form, f"/#{key}")


@ROUTES.post("/systems/{system}/dial")
async def set_dial(request: web.Request) -> web.StreamResponse:
    """Add a rule, remove one, or set the latency; of the system or of one operation."""
    board, key, form = request.app[BOARD], request.match_info["system"], await request.post()
    running = _running(board, key)
    operation = str(form.get("operation", "")) or None
    if operation is not None and operation not in views.carried(running):
        raise web.HTTPNotFound(text="no such operation")
    try:
        _turned(board, key, operation, form)
    except OnedoorError as error:
        return _system_page(request, 422, str(error), operation or "")
    raise web.HTTPSeeOther(f"/systems/{key}#op-{operation or ''}")


@ROUTES.post("/dial")
async def set_every_dial(request: web.Request) -> web.StreamResponse:
    """The same for all departments together."""
    board = request.app[BOARD]
    try:
        _turned(board, None, None, await request.post())
    except OnedoorError as error:
        return _board_page(request, 422, str(error), dialling=True)
    raise web.HTTPSeeOther("/")


def _turned(board: Board, system: str | None, operation: str | None, form: Form) -> None:
    """Raises FormMistake, ScenarioError."""
    rules, latencies = board.dialled(system, operation)
    match form.get("do"):
        case "add":
            board.turn(system, operation, (*rules, rule_of(form)), latencies)
        case "latency":
            found = latency_of(form)
            board.turn(system, operation, rules, () if found is None else (found,))
        case "remove":
            number = str(form.get("number", ""))
            kept = [one for at, one in enumerate(rules) if str(at) != number]
            board.turn(system, operation, kept, latencies)


@ROUTES.post("/scenario")
async def begin(request: web.Request) -> web.StreamResponse:
    """Begin one that comes along, with its own seed or another one, or one that was typed; or begin the present one anew."""
    board, form = request.app[BOARD], await request.post()
    text, name, seed = str(form.get("text", "")), str(form.get("shipped", "")), str(form.get("seed", "")).strip()
    try:
        if form.get("do") == "typed":
            board.begin(read_scenario(text, board.city.site))
        elif form.get("do") == "again":
            board.begin(replace(board.scenario, seed=int(seed) if seed.isdecimal() else board.scenario.seed))
        elif form.get("do") == "none":
            now = board.scenario
            board.begin(Scenario(name="-", seed=now.seed, clerk=now.clerk))
        else:
            board.begin(await api.chosen(board, api.Choice(shipped=name, seed=int(seed) if seed.isdecimal() else None)))
    except OnedoorError as error:
        return _board_page(request, 422, str(error), text)
    raise web.HTTPSeeOther("/")


@ROUTES.get("/scenario.toml")
async def scenario_file(request: web.Request) -> web.Response:
    """All dials together, to keep."""
    headers = {"Content-Disposition": 'attachment; filename="scenario.toml"'}
    return web.Response(
        text=saved(request.app[BOARD].scenario), content_type="application/toml", charset="utf-8", headers=headers
    )


@ROUTES.get("/ledger")
async def ledger_page(request: web.Request) -> web.Response:
    """The ledgers, filtered."""
    board = request.app[BOARD]
    wanted = {name: request.query.get(name, "").strip() for name in ("system", "kind", "delivery_id")}
    key = wanted["system"]
    found = [_running(board, key)] if key else list(board.departments.values())
    after = request.query.get("after", "0")
    filters = {name: value for name, value in wanted.items() if value and name != "system"}
    first = int(after) if after.isdecimal() else 0
    page = await asyncio.to_thread(views.ledger_page, found, wanted=filters, after=first, limit=100)
    following = f"/ledger?{urlencode({**wanted, 'after': page['next']})}" if page["next"] is not None else ""
    return shown(
        request,
        "ledger.html",
        entries=page["entries"],
        following=following,
        wanted=wanted,
        systems=list(board.departments),
    )


@ROUTES.get("/static/{name}")
async def static_file(request: web.Request) -> web.StreamResponse:
    """What pages are made of."""
    name = request.match_info["name"]
    if name == "han.otf":
        # For screens without a Chinese font; the face that task sheets are printed in.
        kept = {"Cache-Control": "public, max-age=86400"}
        return web.FileResponse(FONTS / "NotoSansCJKsc-Regular-Han.otf", headers=kept)
    if name not in STATIC:
        raise web.HTTPNotFound
    content = (HERE / "static" / name).read_bytes()
    return web.Response(body=content, headers={"Content-Type": f"{STATIC[name]}; charset=utf-8"})
