"""The policy table as a page of the manual: ``python -m hub.web.policy_table > docs/reference/routes.md``. A test compares them."""

import sys

from hub.people import CASEWORK, Role
from hub.web.policy import POLICIES, Policy, Reach, Who

_WHO = {
    Who.ANYONE: "anybody",
    Who.SENDER: "a sender's key",
    Who.DEPARTMENT: "a department, as its channel proves it",
    Who.FILE_OWNER: "whoever owns the hub's files (local socket)",
}
_REACH = {
    Reach.NONE: "",
    Reach.TASK: "the task's centre and department",
    Reach.CASE: "the case's centres and departments",
    Reach.LIST: "only what is in reach is listed",
}

HEAD = """# Who may call what

Written from `hub/web/policy.py` by `python -m hub.web.policy_table`; a test compares. The hub does not start with a route that has no row here.

Something outside the caller's scope answers as if it were not there (404). A form is taken only from a page of the same sign-in (403). Every answer carries a strict
content policy, and only the files that pages are made of may be kept by a browser. What leaves an entry shows a journal or gives a file with personal data away:
[who has read it](../journal.md#who-has-read-it).

## Roles

| role | does |
|---|---|
| `counter_clerk` | receives and accepts at the counter; works on tasks of the centre |
| `back_office` | carries task sheets out and in, keys results, prints |
| `supervisor` | the same, and assigns work, takes claims back |
| `operator` | runs the hub: sees cases without what residents wrote |
| `auditor` | reads accounts and journals; changes nothing; no other role beside it |
| `system_administrator` | makes accounts and switches them; no other role beside it |
| `security_administrator` | grants roles and scopes, ends sign-ins; never the own ones; no other role beside it |

## Routes

| route | who | scope | leaves an entry |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(
        f"| `{route}` | {_who(policy)} | {_REACH[policy.reach]} | {'yes' if policy.journalled else ''} |\n"
        for route, policy in POLICIES.items()
    )


def _who(policy: Policy) -> str:
    if policy.who is not Who.STAFF:
        return _WHO[policy.who]
    if not policy.roles:
        return "whoever has signed in"
    if policy.roles == CASEWORK:
        return "`counter_clerk`, `back_office`, `supervisor`"
    return ", ".join(f"`{role.value}`" for role in Role if role in policy.roles)


if __name__ == "__main__":
    sys.stdout.write(page())
