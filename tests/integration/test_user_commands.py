"""``onedoor users``: the first administrator comes from here, and no account is there by default."""

import json

from tests.front_door import XUHUI
from tests.shell import Shell


def test_no_account_is_there_and_the_first_one_is_made_with_a_password_that_is_shown_once(place: Shell) -> None:
    assert json.loads(place.done("users", "list", "--json")) == []
    code, password, told = place.run(
        "users", "create", "--login", "y001", "--name", "样例", "--role", "system_administrator"
    )
    assert (code, len(password.strip())) == (0, 20)
    assert "must be changed at the first sign-in" in told
    listed = place.done("users", "list", "--json")
    assert password.strip() not in listed
    (one,) = json.loads(listed)
    assert (one["login"], one["roles"], one["change_password"]) == ("y001", ["system_administrator"], True)
    assert "y001" in place.done("users", "list")


def test_what_cannot_be_is_refused_in_one_sentence(place: Shell) -> None:
    make = ("users", "create", "--name", "样例", "--login")
    assert "no centre, item or department 999" in place.refused(
        *make, "b001", "--role", "back_office", "--centre", "999"
    )
    assert "--role takes" in place.refused(*make, "b001", "--role", "king")
    assert "three persons" in place.refused(*make, "b001", "--role", "auditor", "--role", "security_administrator")
    assert "2 to 32 characters" in place.refused(*make, "B 1")
    place.done(*make, "b001", "--role", "back_office", "--centre", XUHUI, "--department", "JY", "--keep")
    assert "already" in place.refused(*make, "b001")
    assert "no account x001" in place.refused("users", "disable", "x001")
    assert "no account x001" in place.refused("users", "reset-password", "x001")


def test_an_account_is_reset_switched_off_and_bound_to_an_identity(place: Shell) -> None:
    place.done("users", "create", "--login", "b001", "--name", "样例", "--json")
    first = json.loads(place.done("users", "reset-password", "b001", "--json"))["password"]
    assert len(first) == 20
    code, out, told = place.run(
        "users", "create", "--login", "b002", "--name", "样例", "--identity", "https://idp.example|7"
    )
    assert (code, out) == (0, "")
    assert "identity provider" in told
    assert "another account" in place.refused(
        "users", "create", "--login", "b003", "--name", "样例", "--identity", "https://idp.example|7"
    )
    place.done("users", "disable", "b001")
    off = {one["login"]: one["disabled_at"] for one in json.loads(place.done("users", "list", "--json"))}
    assert off["b001"] is not None
    assert off["b002"] is None
    assert "security_administrator" in place.done("users", "roles")
    assert "auditor" in json.loads(place.done("users", "roles", "--json"))
