"""What Prometheus itself says about /metrics."""

import asyncio
import subprocess
from pathlib import Path

from tests.front_door import front_door


async def test_promtool_accepts_the_exposition(promtool: Path, tmp_path: Path) -> None:
    async with front_door(tmp_path / "hub") as door:
        await door.case(await door.received())
        _, text, _ = await door.call("GET", "/metrics", "")
    assert await asyncio.to_thread(complaints, promtool, text) == (0, "")


def complaints(promtool: Path, exposition: bytes) -> tuple[int, str]:
    """Exit code and what promtool had to say."""
    checked = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, check=False)
    return checked.returncode, (checked.stdout + checked.stderr).decode()


def test_promtool_does_complain_about_a_metric_that_breaks_the_rules(promtool: Path) -> None:
    code, words = complaints(promtool, b"# TYPE wrong counter\nwrong 1\n")
    assert code != 0
    assert "wrong" in words
