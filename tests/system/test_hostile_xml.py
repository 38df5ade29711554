"""B14: while hostile XML is read, the kernel sees no file opened that it names, and no connection made."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reading_hostile_xml_opens_no_file_and_makes_no_connection(strace: Path, tmp_path: Path) -> None:
    pipe, log = tmp_path / "wanted-by-hostile-xml", tmp_path / "log"
    os.mkfifo(pipe)
    command = [str(strace), "-f", "-qq", "-e", "trace=open,openat,openat2,connect", "-o", str(log)]
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.hostile_xml", "9", str(pipe)],
        cwd=ROOT,
        env={**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    calls = log.read_text("utf-8", "replace")
    assert "openat(" in calls
    assert not re.findall(r"wanted-by-hostile-xml|x\.dtd|/etc/passwd", calls)
    assert not re.findall(r"connect\(.*AF_INET6?,", calls)
