"""A stage for each test: a hub with its pages and a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.stage import Stage, stage


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made
