"""Water supply 供水, by REST. All of it but what stands here is data: department.toml, items and samples beside this file."""

from collections.abc import Sequence
from pathlib import Path

from contracts.plugin import Department, hookimpl
from plugins.toml_departments import packaged_department

FOLDER = Path(__file__).parent
"""Where department.toml, items and samples lie."""


@hookimpl
def register_departments(site: str) -> Sequence[Department]:
    """What the hub asks for once, at its start. Raises SiteError with every mistake."""
    return packaged_department(site, FOLDER)
