"""The page of the manual about routes and roles says what the policy table says."""

from pathlib import Path

from hub.people import Role
from hub.web import policy_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "routes.md"


def test_the_page_about_routes_is_the_policy_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == policy_table.page()


def test_every_role_is_explained() -> None:
    assert all(f"| `{role.value}` |" in policy_table.HEAD for role in Role)
