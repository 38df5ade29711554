"""People: accounts with roles and a scope. One account a person, its login the staff number; the name is kept encrypted.

Every change is an entry of the account's own chain in the journal, and whatever takes rights away ends the sessions.
"""

import re
from dataclasses import field
from enum import StrEnum

from contracts.errors import OnedoorError
from contracts.records import record
from hub.clients import Client, Forbidden, Right, Scope
from hub.journal import Chain, Codes, Journal
from hub.keys import Keys
from hub.store import accounts
from hub.store.connection import Connection, Row

LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
LANGUAGES = ("zh", "en")


class Role(StrEnum):
    """What a person does. The last three keep each other in check: nobody holds two of them, nor any other role beside one."""

    COUNTER = "counter_clerk"
    BACK_OFFICE = "back_office"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SYSTEM = "system_administrator"
    SECURITY = "security_administrator"


APART = frozenset({Role.AUDITOR, Role.SYSTEM, Role.SECURITY})
"""GB/T 22239-2019, 8.1.4.2: the administrators' rights are separated."""

CASEWORK = frozenset({Role.COUNTER, Role.BACK_OFFICE, Role.SUPERVISOR})
"""Those who act on cases and see what residents wrote."""

_NONE: frozenset[Right] = frozenset()
_RIGHTS = {
    Role.COUNTER: frozenset({Right.SUBMIT, Right.EVENT, Right.TASK, Right.READ}),
    Role.BACK_OFFICE: frozenset({Right.EVENT, Right.TASK, Right.READ}),
    Role.SUPERVISOR: frozenset({Right.EVENT, Right.TASK, Right.READ}),
    Role.OPERATOR: frozenset({Right.READ}),
    Role.AUDITOR: frozenset({Right.READ}),
}


class AccountRefused(OnedoorError):
    """An account cannot be made or changed like this. ``text`` and ``values``: the sentence, to be translated."""

    def __init__(self, text: str, **values: str) -> None:
        super().__init__(text.format(**values))
        self.text, self.values = text, values


@record
class Account:
    """A person. Times are ms UTC; no centre or department: all of them."""

    login: str
    name: str
    roles: frozenset[Role]
    centres: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    language: str = "zh"
    change_password: bool = False
    second_factor: bool = False
    identity: str | None = None
    created_at: int = 0
    disabled_at: int | None = None

    @property
    def sender(self) -> Client:
        """The person as a sender, so that one rule of scope serves both. Raises Forbidden for a role without casework."""
        rights = frozenset[Right]().union(*(_RIGHTS.get(role, _NONE) for role in self.roles))
        if not rights:
            raise Forbidden("your role does not work on cases")
        scope = Scope(centres=self.centres, departments=self.departments, may=rights)
        return Client(id=self.login, name=self.name, scope=scope, created_at=self.created_at)

    def is_any(self, *roles: Role) -> bool:
        """Whether the person has one of the roles."""
        return not self.roles.isdisjoint(roles)


@record
class NewAccount:
    """What is asked for. ``password_hash`` None: the person signs in elsewhere (``identity``, issuer and subject)."""

    login: str
    name: str
    roles: frozenset[Role] = frozenset()
    centres: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    password_hash: str | None = field(default=None, repr=False)
    change_password: bool = True
    identity: str | None = None


def check_roles(roles: frozenset[Role]) -> None:
    """Raises AccountRefused where an administrator's or the auditor's role meets another one."""
    if roles & APART and len(roles) > 1:
        raise AccountRefused(
            "The auditor, the system administrator and the security administrator are three persons without any other role."
        )


def create(connection: Connection, journal: Journal, keys: Keys, wanted: NewAccount, at: int, by: str) -> Account:
    """A unit of work. Raises AccountRefused: bad login or name, taken login or identity, roles that exclude each other."""
    if not LOGIN.fullmatch(wanted.login):
        raise AccountRefused(
            "A login has 2 to 32 characters: small letters, digits, dot, hyphen, underscore; it begins with a letter or digit."
        )
    if not 1 <= len(wanted.name.strip()) <= 64:
        raise AccountRefused("A name has 1 to 64 characters.")
    check_roles(wanted.roles)
    if accounts.find(connection, journal.region, wanted.login) is not None:
        raise AccountRefused("There is an account {login} already.", login=wanted.login)
    if wanted.identity and accounts.find_identity(connection, journal.region, wanted.identity) is not None:
        raise AccountRefused("This identity belongs to another account.")
    row = {
        "region": journal.region,
        "login": wanted.login,
        "sealed_name": keys.seal_account(wanted.name.strip().encode(), wanted.login, "name"),
        "password_hash": wanted.password_hash,
        "roles": _joined(wanted.roles),
        "centres": _joined(wanted.centres),
        "departments": _joined(wanted.departments),
        "language": LANGUAGES[0],
        "change_password": wanted.change_password,
        "sealed_secret": None,
        "spent_step": 0,
        "identity": wanted.identity,
        "created_at": at,
        "changed_at": at,
        "disabled_at": None,
    }
    accounts.add(connection, row)
    note(
        connection,
        journal,
        wanted.login,
        "account",
        None,
        "working",
        at,
        by,
        {"roles": _joined(wanted.roles)},
        new=True,
    )
    return account_of(keys, row)


def grant(
    connection: Connection,
    journal: Journal,
    login: str,
    roles: frozenset[Role],
    centres: frozenset[str],
    departments: frozenset[str],
    at: int,
    by: str,
) -> None:
    """A unit of work: other roles and another scope; ends the sessions. Raises AccountRefused."""
    if by == login:
        raise AccountRefused("Nobody changes the roles of the own account: ask another security administrator.")
    check_roles(roles)
    row = required(connection, journal.region, login)
    changes = {"roles": _joined(roles), "centres": _joined(centres), "departments": _joined(departments)}
    change(connection, journal.region, login, changes, at)
    reach: Codes = {"centres": changes["centres"], "departments": changes["departments"]}
    note(connection, journal, login, "roles", row["roles"], changes["roles"], at, by, reach)
    accounts.end_sessions(connection, journal.region, login, at, "roles")


def disable(connection: Connection, journal: Journal, login: str, at: int, by: str, *, off: bool = True) -> None:
    """A unit of work: switch an account off (ends its sessions) or on again. Raises AccountRefused."""
    if by == login:
        raise AccountRefused("Nobody switches off the own account: ask a colleague.")
    row = required(connection, journal.region, login)
    before = "disabled" if row["disabled_at"] else "working"
    change(connection, journal.region, login, {"disabled_at": at if off else None}, at)
    note(connection, journal, login, "account", before, "disabled" if off else "working", at, by)
    if off:
        accounts.end_sessions(connection, journal.region, login, at, "disabled")


def set_password(
    connection: Connection, journal: Journal, login: str, password_hash: str, at: int, by: str, *, once: bool
) -> None:
    """A unit of work: another password; ends the sessions. ``once``: it must be changed at the next sign-in."""
    required(connection, journal.region, login)
    change(connection, journal.region, login, {"password_hash": password_hash, "change_password": once}, at)
    note(connection, journal, login, "password", None, "reset" if once else "changed", at, by)
    accounts.end_sessions(connection, journal.region, login, at, "password")


def set_secret(
    connection: Connection, journal: Journal, keys: Keys, login: str, secret: bytes | None, step: int, at: int, by: str
) -> None:
    """A unit of work: the secret of the second factor, or none any more (then the sessions end)."""
    required(connection, journal.region, login)
    sealed = None if secret is None else keys.seal_account(secret, login, "second factor")
    change(connection, journal.region, login, {"sealed_secret": sealed, "spent_step": step}, at)
    note(connection, journal, login, "second_factor", None, "on" if secret else "off", at, by)
    if secret is None:
        accounts.end_sessions(connection, journal.region, login, at, "second factor")


def set_language(connection: Connection, region: str, login: str, language: str, at: int) -> None:
    """A unit of work."""
    if language in LANGUAGES:
        change(connection, region, login, {"language": language}, at)


def find(connection: Connection, region: str, keys: Keys, login: str) -> Account | None:
    """The account, a disabled one too."""
    row = accounts.find(connection, region, login)
    return None if row is None else account_of(keys, row)


def listed(connection: Connection, region: str, keys: Keys) -> tuple[Account, ...]:
    """Every account by login."""
    return tuple(account_of(keys, row) for row in accounts.listed(connection, region))


def required(connection: Connection, region: str, login: str) -> Row:
    """The row. Raises AccountRefused."""
    row = accounts.find(connection, region, login)
    if row is None:
        raise AccountRefused("There is no account {login}.", login=login)
    return row


def change(connection: Connection, region: str, login: str, changes: Row, at: int) -> None:
    """Change columns of an account."""
    connection.update("account", {"region": region, "login": login}, {**changes, "changed_at": at})


def account_of(keys: Keys, row: Row) -> Account:
    """The record of a row."""
    return Account(
        login=row["login"],
        name=keys.unseal_account(row["sealed_name"], row["login"], "name").decode(),
        roles=frozenset(map(Role, _parts(row["roles"]))),
        centres=_parts(row["centres"]),
        departments=_parts(row["departments"]),
        language=row["language"],
        change_password=bool(row["change_password"]),
        second_factor=row["sealed_secret"] is not None,
        identity=row["identity"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )


def note(
    connection: Connection,
    journal: Journal,
    login: str,
    kind: str,
    before: str | None,
    after: str | None,
    at: int,
    by: str,
    codes: Codes | None = None,
    *,
    new: bool = False,
) -> None:
    """An entry in the account's chain: who did what to whom, when and with what success."""
    chain = Chain(journal, f"account:{login}", at, new=new)
    chain.add(kind, login, before, after, codes or {})
    chain.write(connection, by)


def _joined(codes: frozenset[str] | frozenset[Role]) -> str:
    return ",".join(sorted(str(code) for code in codes))


def _parts(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))
