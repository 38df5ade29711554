"""``onedoor users``: the accounts of people. The first administrator comes from here; no account is there by default."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from argon2 import PasswordHasher
from rich.console import Console
from rich.table import Table

from contracts.records import adapter
from contracts.site import load_site
from hub import passwords, people
from hub.app import site_folder
from hub.city import moment
from hub.cli.asking import InFile, UnknownCode, ask, check_codes
from hub.cli.options import AsJson, Demo, SettingsFile, settings_from
from hub.people import Account, Role
from hub.web.local_users import OPERATOR, FirstPassword, UserRequest, new_account

app = typer.Typer(
    help="Accounts of the staff.\n\nExample: onedoor users create --login s001 --name 样例 --role system_administrator",
    no_args_is_help=True,
)
Login = Annotated[str, typer.Argument(help="The staff number.")]


@app.command()
def create(
    login: Annotated[str, typer.Option(help="Staff number: what the person signs in with.")],
    name: Annotated[str, typer.Option(help="The person's name, as colleagues read it.")],
    role: Annotated[list[str] | None, typer.Option(help="A role; repeat for more: see `onedoor users roles`.")] = None,
    centre: Annotated[list[str] | None, typer.Option(help="A centre it reaches; repeat for more; none: all.")] = None,
    department: Annotated[
        list[str] | None, typer.Option(help="A department it reaches; repeat for more; none: all.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once/--keep", help="Whether the password must be changed at the first sign-in.")
    ] = True,
    identity: Annotated[
        str | None, typer.Option(help="issuer|subject at the identity provider; then there is no password.")
    ] = None,
    settings: SettingsFile = None,
    demo: Demo = False,
    as_json: AsJson = False,
) -> None:
    """Make an account and print its first password, once.

    Example: onedoor users create --login b001 --name 王样例 --role back_office --centre 310104901
    """
    found = settings_from(settings, demo=demo)
    wanted = UserRequest(
        login=login,
        name=name,
        roles=_roles(role or []),
        centres=frozenset(centre or ()),
        departments=frozenset(department or ()),
        once=once,
        identity=identity,
    )
    check_codes(found, centres=wanted.centres, departments=wanted.departments)
    body = adapter(UserRequest).dump_python(wanted, mode="json")
    password = passwords.random_password()
    made = ask(
        found,
        lambda file: FirstPassword(
            account=people.create(
                file.connection,
                file.keys.journal(file.region),
                file.keys,
                new_account(wanted, _hash(password)),
                file.at,
                OPERATOR,
            ),
            password="" if identity else password,
        ),
        ("POST", "/admin/users", body),
        adapter(FirstPassword),
    )
    _tell(made, once=once, as_json=as_json)


@app.command("list")
def list_(settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Show the accounts, those switched off too.

    Example: onedoor users list --json
    """
    found = settings_from(settings, demo=demo)
    listing = adapter(tuple[Account, ...])
    all_ = ask(
        found,
        lambda file: people.listed(file.connection, file.region, file.keys),
        ("GET", "/admin/users", None),
        listing,
    )
    if as_json:
        typer.echo(listing.dump_json(all_))
        return
    zone = ZoneInfo(load_site(site_folder(found)).timezone)
    table = Table("login", "name", "roles", "centres", "departments", "second factor", "made", "switched off")
    for one in all_:
        reach = [", ".join(sorted(part)) or "all" for part in (one.centres, one.departments)]
        made = f"{moment(one.created_at).astimezone(zone):%Y-%m-%d}"
        off = f"{moment(one.disabled_at).astimezone(zone):%Y-%m-%d}" if one.disabled_at is not None else ""
        second = "yes" if one.second_factor else "no"
        table.add_row(one.login, one.name, ", ".join(sorted(one.roles)) or "none", *reach, second, made, off)
    Console().print(table)


@app.command()
def roles(as_json: AsJson = False) -> None:
    """Show the roles that there are.

    Example: onedoor users roles
    """
    if as_json:
        typer.echo(adapter(tuple[Role, ...]).dump_json(tuple(Role)))
        return
    for role in Role:
        typer.echo(role.value)


@app.command("reset-password")
def reset_password(login: Login, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Give an account a new first password, print it once, and end its sessions.

    Example: onedoor users reset-password b001
    """
    found = settings_from(settings, demo=demo)
    password = passwords.random_password()

    def unit(file: InFile) -> FirstPassword:
        people.set_password(
            file.connection, file.keys.journal(file.region), login, _hash(password), file.at, OPERATOR, once=True
        )
        account = people.find(file.connection, file.region, file.keys, login)
        assert account is not None, "its password has just been set"
        return FirstPassword(account=account, password=password)

    _tell(
        ask(found, unit, ("POST", f"/admin/users/{login}/password", None), adapter(FirstPassword)),
        once=True,
        as_json=as_json,
    )


@app.command()
def disable(login: Login, settings: SettingsFile = None, demo: Demo = False, as_json: AsJson = False) -> None:
    """Switch an account off. Its sessions end at once.

    Example: onedoor users disable b001
    """
    found = settings_from(settings, demo=demo)
    ask(
        found,
        lambda file: people.disable(file.connection, file.keys.journal(file.region), login, file.at, OPERATOR),
        ("POST", f"/admin/users/{login}/disable", None),
        adapter(type(None)),
    )
    typer.echo("{}") if as_json else typer.echo(f"account {login} is switched off", err=True)


def _tell(made: FirstPassword, *, once: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(adapter(FirstPassword).dump_json(made))
        return
    if not made.password:
        typer.echo(f"account {made.account.login}: it signs in at the identity provider", err=True)
        return
    then = "; it must be changed at the first sign-in" if once else ""
    typer.echo(f"account {made.account.login}: its password is shown this once{then}:", err=True)
    typer.echo(made.password)


def _hash(password: str) -> str:
    return PasswordHasher().hash(password)


def _roles(names: list[str]) -> frozenset[Role]:
    try:
        return frozenset(map(Role, names))
    except ValueError as error:
        raise UnknownCode(f"--role takes {', '.join(Role)}: {', '.join(names)} has something else") from error
