"""The reader of scanned files: what it makes out on bad pages, and what it does with hostile files."""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pypdfium2
import pytest
from PIL import Image

from adapters.handover_printing import render_handover
from contracts.task_sheet import bar_code
from hub import page_reader
from hub.page_reader import NotReadable, codes_of, read
from hub.scans import MOST_FRAME, ReaderFailed, read_pages
from tests import scanned_pages as scan
from tests.paper_world import NUMBER, a_sheet, gateway, numbered
from tests.unit.test_handover_lists import NUMBER as LIST
from tests.unit.test_handover_lists import SHANGHAI, handover


async def sheet_pdf(**changes: object) -> tuple[bytes, str]:
    """A printed sheet and the text of its QR code."""
    async with gateway() as desk:
        sheet = numbered(await a_sheet(desk, **changes))
        return await desk.print_sheets([sheet]), sheet.code


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "straight": lambda page: page,
    "upside down": lambda page: scan.rotated(page, 180),
    "on its side": lambda page: scan.rotated(page, 90),
    "crooked": lambda page: scan.rotated(page, 7),
    "very crooked": lambda page: scan.rotated(page, -38),
    "skewed": scan.skewed,
    "noisy": lambda page: scan.noisy(page, 1),
    "noisy and crooked": lambda page: scan.noisy(scan.rotated(page, -4), 2),
    "pale": lambda page: page.point([150 + value * 105 // 255 for value in range(256)]),
}


@pytest.mark.parametrize("dots_per_inch", [150, 200, 300])
@pytest.mark.parametrize("change", sorted(CHANGES))
async def test_the_code_of_a_sheet_is_read_however_badly_it_was_scanned(change: str, dots_per_inch: int) -> None:
    pdf, code = await sheet_pdf()
    page = CHANGES[change](scan.rendered(pdf, dots_per_inch=dots_per_inch))

    assert ["QRCode", code] in codes_of(page)


async def test_both_codes_are_read_and_the_bar_code_alone_where_the_other_is_torn_off() -> None:
    pdf, code = await sheet_pdf()
    page = scan.rendered(pdf)

    assert codes_of(page) == [["QRCode", code], ["Code128", bar_code(NUMBER, 1)]]
    assert codes_of(scan.stained_code(page)) == [["Code128", bar_code(NUMBER, 1)]]


async def test_a_loose_second_page_of_a_long_sheet_still_says_whose_it_is() -> None:
    children = [{"XM": f"样例{place:02d}", "ZJHM": f"E{place:08d}"} for place in range(40)]
    pdf, code = await sheet_pdf(fields={"applicant_name": "样例甲", "SFZH": "E1", "children": children})

    assert codes_of(scan.rendered(pdf, page=1, dots_per_inch=150)) == [["QRCode", code]]
    assert codes_of(scan.noisy(scan.rotated(scan.rendered(pdf, page=1), 3), 5)) == [["QRCode", code]]


def test_a_handover_list_is_told_by_its_number() -> None:
    page = scan.rendered(render_handover(handover(), "zh", SHANGHAI))

    assert ["QRCode", LIST] in codes_of(page)


async def test_every_kind_of_file_gives_its_pages_drawn_anew() -> None:
    pdf, code = await sheet_pdf()
    pages = [scan.rendered(pdf), scan.blank(), scan.rotated(scan.rendered(pdf, page=1), 90)]
    for content in (scan.stack(pages), scan.stack(pages, "TIFF")):
        found = list(read(content))
        assert [(head["page"], head["pages"]) for head, _ in found] == [(1, 3), (2, 3), (3, 3)]
        assert [["QRCode", code] in head["codes"] for head, _ in found] == [True, False, True]  # type: ignore[operator]
        for _, image in found:
            with Image.open(io.BytesIO(image)) as shown:
                assert (shown.format, max(shown.size) <= page_reader.SHOWN_SIDE) == ("JPEG", True)
    for form in ("PNG", "JPEG"):
        ((head, _),) = read(scan.encoded(pages[0], form))
        assert ["QRCode", code] in head["codes"]  # type: ignore[operator]


# --- hostile files ------------------------------------------------------------------------------------------------


def png_of(width: int, height: int, lines: bytes = b"") -> bytes:
    """A PNG that says it is this large; one bit a pixel, so that a little file holds a wall of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(lines or b"\0" * (height * (1 + (width + 7) // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb_pdf(pixels: int) -> bytes:
    """A PDF of a few kilobytes whose one picture unpacks to ``pixels`` squared."""
    data = zlib.compress(b"\0" * (pixels * pixels), 9)
    picture = (
        f"<< /Type /XObject /Subtype /Image /Width {pixels} /Height {pixels} /ColorSpace /DeviceGray "
        f"/BitsPerComponent 8 /Filter /FlateDecode /Length {len(data)} >>"
    )
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 4 0 R >> >> /Contents 5 0 R >>",
        picture.encode() + b"\nstream\n" + data + b"\nendstream",
        b"<< /Length 29 >>\nstream\nq 595 0 0 842 0 0 cm /I Do Q \nendstream",
    ]
    body = b"%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + part + b"\nendobj\n"
    table = b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    start = len(body)
    return (
        body
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + f"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    )


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about broken tags of a TIFF
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7\nnothing of the kind", "no_pdf"),
        (b"%PDF-<html><script>alert(1)</script></html>", "no_pdf"),
        (b"\x89PNG\r\n\x1a\nnothing", "no_picture"),
        (b"\xff\xd8\xff\xe0 half a picture", "no_picture"),
        (b"II*\x00 half", "no_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "no_picture"),
        (b"GIF89a", "no_picture"),
        (png_of(50_000, 50_000), "too_large"),
        (b"", "no_picture"),
    ],
    ids=["text", "html", "png", "jpeg", "tiff", "svg", "gif", "huge", "empty"],
)
def test_what_is_no_scan_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotReadable) as refused:
        list(read(content))
    assert refused.value.reason == reason


def test_a_file_with_too_many_pages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_reader, "MOST_PAGES", 2)
    with pytest.raises(NotReadable, match="too_many_pages"):
        list(read(scan.stack([scan.blank(60, 80)] * 3)))
    with pytest.raises(NotReadable, match="too_many_pages"):
        list(read(scan.stack([scan.blank(60, 80)] * 3, "TIFF")))


def test_a_page_as_large_as_a_house_is_drawn_small() -> None:
    document = pypdfium2.PdfDocument.new()
    document.new_page(14_400, 14_400)
    content = io.BytesIO()
    document.save(content)
    document.close()
    ((head, _),) = read(content.getvalue())
    assert head["page"] == 1


async def test_a_decompression_bomb_ends_its_reader_and_nothing_else() -> None:
    """1.6 GB of black in 1.6 MB: the process may not have so much memory, and whatever becomes of it stays its own affair."""
    frames = []
    try:
        async for frame, _ in read_pages(bomb_pdf(40_000), 60.0):
            frames.append(frame)
    except ReaderFailed:
        return
    assert frames[-1].refused or frames[-1].end


async def test_a_reader_that_hangs_is_ended() -> None:
    with pytest.raises(ReaderFailed, match="TimeoutError"):
        async for _ in read_pages(scan.stack([scan.blank()]), 0.0):
            pass


def test_the_reader_answers_in_frames_and_says_how_it_ended() -> None:
    def answers(content: bytes) -> list[bytes]:
        done = subprocess.run([sys.executable, "-m", "hub.page_reader"], input=content, capture_output=True, check=True)
        frames, rest = [], done.stdout
        while rest:
            size = int.from_bytes(rest[:4])
            frames.append(rest[4 : 4 + size])
            rest = rest[4 + size :]
        return frames

    head, image, end = answers(scan.encoded(scan.blank(300, 400)))
    assert json.loads(head) == {"page": 1, "pages": 1, "codes": [], "image": len(image)}
    assert len(image) < MOST_FRAME
    assert json.loads(end) == {"end": True}
    assert [json.loads(frame) for frame in answers(b"%PDF-nothing")] == [{"refused": "no_pdf"}]
