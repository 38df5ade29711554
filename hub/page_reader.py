"""Reads the pages of one scanned file in a process of its own: ``python -m hub.page_reader < file > pages``.

What people drop in is hostile until it is read: a picture of a million pixels a side, a PDF that unpacks to gigabytes, a file that
breaks its decoder. So the hub itself never decodes one; this process has little memory, little time, no files and
no network to speak of, and all it gives back is codes as text and each page drawn anew as a plain JPEG.

The answer is a row of frames, each a length (4 bytes, big-endian) and so many bytes: for every page a JSON object
``{"page": 1, "pages": 3, "codes": [["QRCode", ".."]], "image": 12345}`` and then the picture; at the end ``{"end": true}``.
"""

import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import pypdfium2
import zxingcpp
from PIL import Image, ImageFilter, ImageOps

MEMORY_BYTES = 1_500_000_000
CPU_SECONDS = 900
OPEN_FILES = 64
WRITTEN_BYTES = 4_000_000
"""Of any one file: the process has nothing to write but what a test's coverage asks for."""

MOST_PAGES = 500
MOST_PIXELS = 72_000_000
"""A sheet of A3 at 600 dpi has 70 million."""

PDF_DPI = 200
LONGEST_SIDE = 4000
"""Pixels of a rendered or a shown page; A4 at 300 dpi has 3,508."""

SHOWN_SIDE = 1754
"""The long side of the picture that people see: A4 at 150 dpi."""


class NotReadable(Exception):
    """Nothing can be made of the file: ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def main() -> None:
    """Read standard input, answer on standard output; a file that cannot be read is answered with ``{"refused": code}``."""
    limit_resources()
    warnings.simplefilter("ignore")  # what a library thinks of a file is told by what can be made of it
    content = sys.stdin.buffer.read()
    out = sys.stdout.buffer
    try:
        for head, image in read(content):
            write_frame(out, json.dumps(head).encode())
            write_frame(out, image)
        write_frame(out, b'{"end": true}')
    except NotReadable as error:
        write_frame(out, json.dumps({"refused": error.reason}).encode())
    out.flush()


def limit_resources() -> None:
    """What this process may take at most."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_BYTES, WRITTEN_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)


def write_frame(out: BinaryIO, content: bytes) -> None:
    """One frame."""
    out.write(len(content).to_bytes(4))
    out.write(content)
    out.flush()


def read(content: bytes) -> Iterator[tuple[dict[str, object], bytes]]:
    """The head and the picture of each page. Raises NotReadable."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow warns at this and refuses at twice as many
    try:
        pages = list_pdf(content) if content.startswith(b"%PDF-") else list_images(content)
        for page, total, picture in pages:
            codes = codes_of(picture)
            image = shown(picture)
            yield {"page": page, "pages": total, "codes": codes, "image": len(image)}, image
    except MemoryError as error:
        raise NotReadable("too_large") from error


def list_pdf(content: bytes) -> Iterator[tuple[int, int, Image.Image]]:
    """Each page of a PDF as it would be printed: place, number of pages, grey picture. Raises NotReadable."""
    try:
        document = pypdfium2.PdfDocument(BytesIO(content))
        total = len(document)
    except pypdfium2.PdfiumError as error:
        raise NotReadable("no_pdf") from error
    require_pages(total)
    for place in range(total):
        try:
            page = document[place]
            width, height = page.get_size()
            scale = min(PDF_DPI / 72, LONGEST_SIDE / max(width, height, 1.0))
            picture = page.render(scale=scale, grayscale=True, draw_annots=False).to_pil().convert("L")
            page.close()
        except (pypdfium2.PdfiumError, ValueError, OSError) as error:
            raise NotReadable("broken_page") from error
        yield place + 1, total, picture


def list_images(content: bytes) -> Iterator[tuple[int, int, Image.Image]]:
    """Each picture of a PNG, JPEG or TIFF file. Raises NotReadable."""
    try:
        with Image.open(BytesIO(content), formats=("PNG", "JPEG", "TIFF")) as file:
            total = getattr(file, "n_frames", 1)
            require_pages(total)
            for place in range(total):
                file.seek(place)
                picture = ImageOps.exif_transpose(file).convert("L")
                picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                yield place + 1, total, picture
    except Image.DecompressionBombError as error:
        raise NotReadable("too_large") from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
        raise NotReadable("no_picture") from error


def require_pages(total: int) -> None:
    """Raises NotReadable."""
    if total < 1:
        raise NotReadable("no_page")
    if total > MOST_PAGES:
        raise NotReadable("too_many_pages")


def codes_of(picture: Image.Image) -> list[list[str]]:
    """Format and text of every QR code and Code 128, each text once.

    A page that shows none is looked at again with its noise smoothed, enlarged, and turned a little: a quick look serves most pages.
    """
    found = _codes(picture)
    if any(form == "QRCode" for form, _ in found):
        return found
    for look in _second_looks(picture):
        more = _codes(look)
        found += [one for one in more if one not in found]
        if any(form == "QRCode" for form, _ in more):
            break
    return found


def _second_looks(picture: Image.Image) -> Iterator[Image.Image]:
    """The page changed in ways that bring a code out of noise, faint ink, small print and a crooked feed."""
    yield ImageOps.autocontrast(picture.filter(ImageFilter.MedianFilter(3)), cutoff=2)
    if max(picture.size) < 2600:
        yield picture.resize((picture.width * 2, picture.height * 2))
    yield picture.filter(ImageFilter.GaussianBlur(1.2)).point([0] * 129 + [255] * 127)
    yield picture.rotate(12, expand=True, fillcolor=255)
    yield picture.rotate(-12, expand=True, fillcolor=255)


def _codes(picture: Image.Image) -> list[list[str]]:
    wanted = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128])
    found: list[list[str]] = []
    for code in zxingcpp.read_barcodes(picture, formats=wanted):
        one = [code.format.name, code.text[:512]]
        if code.valid and one not in found:
            found.append(one)
    return found


def shown(picture: Image.Image) -> bytes:
    """The page as a plain JPEG: pixels only, nothing of the file that was dropped in."""
    small = picture.copy()
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    content = BytesIO()
    small.save(content, "JPEG", quality=70, optimize=False)
    return content.getvalue()


if __name__ == "__main__":
    main()
