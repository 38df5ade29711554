"""B14: while hostile XML is read, the kernel sees no file opened that it names, and no connection made."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = (
    "import sys; sys.path.append(sys.argv[1]); from tests.hostile_xml import main; main(int(sys.argv[2]), sys.argv[3])"
)
"""The checkout comes last: what is read with is what is installed."""


def test_reading_hostile_xml_opens_no_file_and_makes_no_connection(strace: Path, tmp_path: Path) -> None:
    pipe, log = tmp_path / "wanted-by-hostile-xml", tmp_path / "log"
    os.mkfifo(pipe)
    command = [str(strace), "-f", "-qq", "-e", "trace=open,openat,openat2,connect", "-o", str(log)]
    done = subprocess.run(
        [*command, sys.executable, "-c", READ, str(ROOT), "9", str(pipe)],
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
