"""Scanned pages as a centre's scanner makes them: real rendered sheets, turned, skewed, thinned, stained. Seeded, so always the same."""

import io
import random
from collections.abc import Iterable

import pypdfium2
from PIL import Image, ImageChops, ImageDraw, ImageFilter


def rendered(pdf: bytes, page: int = 0, dots_per_inch: int = 200) -> Image.Image:
    """A page of a PDF as paper."""
    document = pypdfium2.PdfDocument(io.BytesIO(pdf))
    try:
        image: Image.Image = document[page].render(scale=dots_per_inch / 72, grayscale=True).to_pil()
        return image.convert("L")
    finally:
        document.close()


def rotated(page: Image.Image, degrees: float) -> Image.Image:
    """Turned on the glass."""
    return page.rotate(degrees, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)


def skewed(page: Image.Image, shear: float = 0.06) -> Image.Image:
    """Drawn in crookedly: sheared."""
    width = round(page.width + page.height * abs(shear))
    return page.transform(
        (width, page.height), Image.Transform.AFFINE, (1, shear, 0, 0, 1, 0), Image.Resampling.BICUBIC, fillcolor=255
    )


def noisy(page: Image.Image, seed: int) -> Image.Image:
    """Grey paper, grain, specks, a coffee stain over the middle, soft focus."""
    rule = random.Random(seed)
    grain = Image.effect_noise(page.size, 60).convert("L")
    worn = ImageChops.multiply(page, grain.point([min(255, 150 + value // 2) for value in range(256)]))
    draw = ImageDraw.Draw(worn)
    for _ in range(400):
        x, y, size = rule.randrange(page.width), rule.randrange(page.height), rule.randrange(1, 4)
        draw.ellipse((x, y, x + size, y + size), fill=rule.choice((0, 255)))
    x, y = page.width // 2, page.height // 2
    draw.ellipse((x, y, x + page.width // 5, y + page.width // 5), outline=120, width=9)
    return worn.filter(ImageFilter.GaussianBlur(0.8))


def stained_code(page: Image.Image) -> Image.Image:
    """The QR code torn off: only the plain bar code is left."""
    torn = page.copy()
    ImageDraw.Draw(torn).rectangle((0, 0, round(page.width * 0.24), round(page.height * 0.14)), fill=255)
    return torn


def two_on_one(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Two sheets on the glass at once, each cut in half."""
    both = upper.copy()
    both.paste(lower.crop((0, 0, lower.width, lower.height // 2)), (0, upper.height // 2))
    return both


def blank(width: int = 1240, height: int = 1754) -> Image.Image:
    """The back of a page."""
    return Image.new("L", (width, height), 250)


def encoded(page: Image.Image, form: str = "PNG") -> bytes:
    """One page as a file."""
    content = io.BytesIO()
    page.save(content, form)
    return content.getvalue()


def stack(pages: Iterable[Image.Image], form: str = "PDF") -> bytes:
    """Many pages as one file, PDF or TIFF, as a feeder makes it. ``form`` as Pillow names it."""
    # Pillow leaves the settings of one encoder on the picture, where the next one stumbles over them.
    first, *others = (page.copy() for page in pages)
    content = io.BytesIO()
    more = {"compression": "tiff_adobe_deflate"} if form == "TIFF" else {"resolution": 200.0}
    first.save(content, form, save_all=True, append_images=others, **more)
    return content.getvalue()
