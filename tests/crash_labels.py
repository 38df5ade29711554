"""Every place where the code lets a test kill it, found by reading the code.

``crash_point("x")`` is one place; ``commit("x", ...)`` is two, before and after its commit. A label must be a constant: what cannot
be read cannot be tested.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import adapters
import contracts
import hub

_DEFINES = ("contracts/crash_points.py", "hub/core.py")
"""Where the two functions themselves live: there labels are arguments."""


def labels_in_the_code() -> frozenset[str]:
    """All of them. Raises AssertionError for one that is not a constant."""
    found: set[str] = set()
    for package in (contracts, adapters, hub):
        root = Path(package.__path__[0])
        for path in root.glob("**/*.py"):
            name = path.relative_to(root.parent).as_posix()
            if name not in _DEFINES:
                found.update(_labels(ast.parse(path.read_text(encoding="utf-8")), name))
    return frozenset(found)


def _labels(tree: ast.AST, file: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in ("crash_point", "commit") or not node.args:
            continue
        if called == "commit" and isinstance(node.args[0], ast.Call | ast.Name | ast.Attribute):
            # A case key commits to a content; that is another verb.
            continue
        label = node.args[0]
        assert isinstance(label, ast.Constant), f"{file}:{node.lineno}: not a constant"
        name = str(label.value)
        yield from (f"{name}.before_commit", f"{name}.after_commit") if called == "commit" else (name,)
