"""The two codes of a task sheet as SVG: a QR code for a phone or an area scanner, a Code 128 for a plain hand scanner.

Only bars and blanks, in millimetres, without the quiet zone: that is the blank the sheet leaves around them.
"""

import segno
from barcode.codex import Code128

QR_MM = 28.0
"""Side of the QR code. 47 characters give version 4 at level Q: a module of 0.85 mm, and a quarter of them may be stained."""

BAR_MODULE_MM = 0.34
BAR_HEIGHT_MM = 11.0


SMALL_QR_MM = 14.0
"""Side of the code on a further page: version 3 at level M, a module of 0.48 mm."""


def qr_svg(text: str) -> str:
    """Raises ValueError (segno's) for a text that no QR code can hold."""
    return _qr_svg(text, "q", QR_MM)


def small_qr_svg(text: str) -> str:
    """The code of a further page, where there is little room. Raises ValueError (segno's)."""
    return _qr_svg(text, "m", SMALL_QR_MM)


def _qr_svg(text: str, level: str, side_mm: float) -> str:
    code = segno.make(text, error=level, micro=False, boost_error=False)
    rows = [list(row) for row in code.matrix_iter(border=0)]
    bars = [f"M{column} {line}h{length}v1h-{length}z" for line, row in enumerate(rows) for column, length in _runs(row)]
    return _svg(len(rows), len(rows), side_mm, side_mm, "".join(bars))


def code128_svg(text: str) -> str:
    """Printable ASCII only. Raises barcode's IllegalCharacterError."""
    (modules,) = _Code128(text).build()
    row = [int(module) for module in modules]
    bars = [f"M{column} 0h{length}v1h-{length}z" for column, length in _runs(row)]
    return _svg(len(row), 1, len(row) * BAR_MODULE_MM, BAR_HEIGHT_MM, "".join(bars))


class _Code128(Code128):  # type: ignore[misc]  # the library has no types
    """Begins with character set B: begun with pairs of digits, the library takes a leading 99 for a switch and drops it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self._charset = "B"


def _runs(row: list[int]) -> list[tuple[int, int]]:
    """(first module, length) of each dark run: one shape a bar, so that no hairline opens between two modules."""
    runs: list[tuple[int, int]] = []
    for place, dark in enumerate(row):
        if not dark:
            continue
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def _svg(columns: int, rows: int, width_mm: float, height_mm: float, path: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_mm:.2f}mm" height="{height_mm:.2f}mm" '
        f'viewBox="0 0 {columns} {rows}" preserveAspectRatio="none"><path d="{path}"/></svg>'
    )
