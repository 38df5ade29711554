"""Who may call what: the one table of every route. A route without a row, or a row without a route, and the hub does not start.

The guard (``hub.web.guard``) enforces it, docs/reference/routes.md is written from it, and the tests of access are made from it.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from aiohttp import web

from contracts.errors import OnedoorError
from contracts.records import record
from hub.people import CASEWORK, Role


class Who(StrEnum):
    """How a caller proves who it is."""

    ANYONE = "anyone"
    SENDER = "sender"
    DEPARTMENT = "department"
    STAFF = "staff"
    FILE_OWNER = "file_owner"


class Reach(StrEnum):
    """What the scope of the caller is held against; a foreign object answers as if it were not there (404)."""

    NONE = "none"
    TASK = "task"
    CASE = "case"
    LIST = "list"


@record
class Policy:
    """``roles``: of staff, who may; empty: whoever is signed in. ``half``: also before the second factor or a new password.

    ``upload``: its form may be as large as a stack of scans. ``page``: a person reads the answer, errors too. ``cached``: the only ones that a browser may keep.
    ``journalled``: who asks it leaves an entry (``hub.readings``).
    """

    who: Who
    roles: frozenset[Role] = frozenset()
    reach: Reach = Reach.NONE
    page: bool = False
    half: bool = False
    cached: bool = False
    upload: bool = False
    journalled: bool = False


class PolicyMissing(OnedoorError):
    """Routes and table differ: nothing is served that nobody has thought about."""


def staff(*roles: Role, reach: Reach = Reach.NONE, half: bool = False) -> Policy:
    """A page for people; no role: everybody who is signed in."""
    return Policy(who=Who.STAFF, roles=frozenset(roles), reach=reach, page=True, half=half)


_ANYONE = Policy(who=Who.ANYONE)
_SENDER = Policy(who=Who.SENDER)
_OWNER = Policy(who=Who.FILE_OWNER)
_OWNER_READS = replace(_OWNER, journalled=True)
_FORM = Policy(who=Who.ANYONE, page=True)
_SIGNED_IN = staff(half=True)
_SYSTEM = staff(Role.SYSTEM)
_SECURITY = staff(Role.SECURITY)
_ADMINISTRATORS = staff(Role.SYSTEM, Role.SECURITY, Role.AUDITOR)

_PAPER = staff(Role.COUNTER, Role.BACK_OFFICE, Role.SUPERVISOR, reach=Reach.LIST)

POLICIES: dict[str, Policy] = {
    # the API
    "POST /v1/cases": _SENDER,
    "POST /v1/cases/batch": _SENDER,
    "POST /v1/materials": _SENDER,
    "POST /v1/cases/{case_no}/events": Policy(who=Who.SENDER, reach=Reach.CASE),
    "GET /v1/cases/{case_no}": Policy(who=Who.SENDER, reach=Reach.CASE, journalled=True),
    "GET /v1/tasks": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/tasks/{id}/complete": Policy(who=Who.SENDER, reach=Reach.TASK),
    "POST /v1/tasks/{id}/print": Policy(who=Who.SENDER, reach=Reach.TASK),
    "POST /v1/tasks/print": Policy(who=Who.SENDER, reach=Reach.TASK),
    "GET /v1/handovers": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers/in": Policy(who=Who.SENDER, reach=Reach.LIST),
    "GET /v1/handovers/{number}": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers/{number}/print": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers/{number}/out": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers/{number}/lost": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/handovers/{number}/cancel": Policy(who=Who.SENDER, reach=Reach.LIST),
    "GET /v1/scans": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/scans": Policy(who=Who.SENDER, reach=Reach.LIST),
    "GET /v1/scans/{id}": Policy(who=Who.SENDER, reach=Reach.LIST),
    "GET /v1/scans/{id}/file": Policy(who=Who.SENDER, reach=Reach.LIST, journalled=True),
    "GET /v1/scans/{id}/pages/{page}": Policy(who=Who.SENDER, reach=Reach.LIST, journalled=True),
    "POST /v1/scans/{id}/pages/{page}": Policy(who=Who.SENDER, reach=Reach.LIST),
    "POST /v1/callbacks/{system}": Policy(who=Who.DEPARTMENT),
    # the machine room
    "GET /healthz": _ANYONE,
    "GET /readyz": _ANYONE,
    "GET /metrics": _ANYONE,
    # the local socket
    "GET /admin/clients": _OWNER,
    "POST /admin/clients": _OWNER,
    "POST /admin/clients/{id}/revoke": _OWNER,
    "POST /admin/cases/find": _OWNER,
    "POST /admin/cases/{case_no}/erase": _OWNER,
    "POST /admin/deliveries/find": _OWNER,
    "POST /admin/deliveries/causes": _OWNER,
    "POST /admin/deliveries/replay": _OWNER,
    "POST /admin/deliveries/{id}/show": _OWNER_READS,
    "POST /admin/deliveries/{id}/decide": _OWNER,
    "POST /admin/deliveries/{id}/enquire": _OWNER,
    "POST /admin/deliveries/{id}/channel": _OWNER,
    "GET /admin/channels": _OWNER,
    "GET /admin/channels/{system}/shadow": _OWNER,
    "GET /admin/files/alarms": _OWNER,
    "POST /admin/files/reconcile": _OWNER,
    "POST /admin/files/explain": _OWNER,
    "POST /admin/files/close": _OWNER,
    "GET /admin/lanes": _OWNER,
    "POST /admin/lanes/{system}/hold": _OWNER,
    "POST /admin/lanes/{system}/release": _OWNER,
    "POST /admin/cases": _OWNER,
    "POST /admin/cases/{case_no}/show": _OWNER_READS,
    "POST /admin/readers": _OWNER_READS,
    "POST /admin/find": _OWNER,
    "GET /admin/items": _OWNER,
    "POST /admin/backup": _OWNER_READS,
    "GET /admin/scans": _OWNER,
    "POST /admin/scans": _OWNER,
    "GET /admin/users": _OWNER,
    "POST /admin/users": _OWNER,
    "POST /admin/users/{login}/password": _OWNER,
    "POST /admin/users/{login}/disable": _OWNER,
    # what pages are made of
    "GET /static/{name}": Policy(who=Who.ANYONE, cached=True),
    # signing in, and the own account
    "GET /": _SIGNED_IN,
    "GET /sign-in": _FORM,
    "POST /sign-in": _FORM,
    "GET /sign-in/with": _FORM,
    "GET /sign-in/back": _FORM,
    "POST /language": _FORM,
    "POST /sign-out": _SIGNED_IN,
    "GET /sign-in/code": _SIGNED_IN,
    "POST /sign-in/code": _SIGNED_IN,
    "GET /account": _SIGNED_IN,
    "POST /account/password": _SIGNED_IN,
    "POST /account/second-factor": _SIGNED_IN,
    "GET /account/second-factor.svg": _SIGNED_IN,
    "POST /account/sessions": _SIGNED_IN,
    # the worklist, its tasks, and their cases
    "GET /tasks": staff(*CASEWORK, reach=Reach.LIST),
    "POST /scan": replace(staff(*CASEWORK, reach=Reach.TASK), journalled=True),
    "POST /tasks/claim": staff(*CASEWORK, reach=Reach.TASK),
    "POST /tasks/release": staff(*CASEWORK, reach=Reach.TASK),
    "POST /tasks/assign": staff(Role.SUPERVISOR, reach=Reach.TASK),
    "POST /tasks/print": staff(*CASEWORK, reach=Reach.TASK),
    "GET /tasks/{id}": replace(staff(*CASEWORK, reach=Reach.TASK), journalled=True),
    "POST /tasks/{id}/complete": replace(staff(*CASEWORK, reach=Reach.TASK), upload=True),
    "POST /tasks/{id}/confirm": staff(*CASEWORK, reach=Reach.TASK),
    "POST /tasks/{id}/decline": staff(*CASEWORK, reach=Reach.TASK),
    "GET /cases/{case_no}": replace(staff(*CASEWORK, Role.OPERATOR, Role.AUDITOR, reach=Reach.CASE), journalled=True),
    "POST /cases/{case_no}/reveal": replace(staff(*CASEWORK, reach=Reach.CASE), journalled=True),
    "POST /cases/{case_no}/events": staff(*CASEWORK, reach=Reach.CASE),
    # handover lists and scan-back
    "GET /handovers": _PAPER,
    "POST /handovers": _PAPER,
    "GET /handovers/in": _PAPER,
    "POST /handovers/in": _PAPER,
    "GET /handovers/{number}": _PAPER,
    "GET /handovers/{number}/csv": replace(_PAPER, journalled=True),
    "POST /handovers/{number}/print": _PAPER,
    "POST /handovers/{number}/out": _PAPER,
    "POST /handovers/{number}/lost": _PAPER,
    "POST /handovers/{number}/cancel": _PAPER,
    "GET /scans": _PAPER,
    "POST /scans": replace(_PAPER, upload=True),
    "GET /scans/{id}": _PAPER,
    "GET /scans/{id}/file": replace(_PAPER, journalled=True),
    "GET /scans/{id}/pages/{page}": replace(_PAPER, journalled=True),
    "POST /scans/{id}/pages/{page}": _PAPER,
    # accounts: three administrators who keep each other in check
    "GET /people": _ADMINISTRATORS,
    "POST /people": _SYSTEM,
    "GET /people/{login}": replace(_ADMINISTRATORS, journalled=True),
    "POST /people/{login}/roles": _SECURITY,
    "POST /people/{login}/switch": _SYSTEM,
    "POST /people/{login}/password": _SYSTEM,
    "POST /people/{login}/sessions": _SECURITY,
    "POST /people/{login}/second-factor": _SECURITY,
}


def policy_of(request: web.BaseRequest) -> Policy | None:
    """The row of the route that a request has met; None where it met none."""
    match = getattr(request, "_match_info", None)
    resource = match.route.resource if match is not None else None
    if resource is None:
        return None
    return _policy("GET" if request.method == "HEAD" else request.method, resource)


@lru_cache(maxsize=1024)
def _policy(method: str, resource: web.AbstractResource) -> Policy | None:
    return POLICIES.get(f"{method} {resource.canonical}")


def check_policies(applications: Iterable[web.Application]) -> None:
    """Raises PolicyMissing, naming each route without a policy and each policy without a route."""
    served = {
        f"{route.method} {route.resource.canonical}"
        for application in applications
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    bare, idle = sorted(served - POLICIES.keys()), sorted(POLICIES.keys() - served)
    if bare or idle:
        told = [f"no policy for {', '.join(bare)}"] * bool(bare) + [f"no route for {', '.join(idle)}"] * bool(idle)
        raise PolicyMissing(f"{'; '.join(told)}: see hub/web/policy.py")
