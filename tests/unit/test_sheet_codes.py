"""The bar code of a sheet says the whole of its number to an ordinary reader, whatever the number begins with."""

import re

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from adapters.sheet_codes import code128_svg


def scanned(svg: str, pixels: int = 4) -> str:
    """What a scanner makes of the drawing."""
    bars = [(int(at), int(width)) for at, width in re.findall(r"M(\d+) 0h(\d+)", svg)]
    image = Image.new("L", ((bars[-1][0] + bars[-1][1] + 40) * pixels, 200), 255)
    draw = ImageDraw.Draw(image)
    for at, width in bars:
        draw.rectangle(((at + 20) * pixels, 20, (at + 20 + width) * pixels - 1, 180), fill=0)
    (code,) = zxingcpp.read_barcodes(image)
    assert code.format == zxingcpp.BarcodeFormat.Code128
    return str(code.text)


@pytest.mark.parametrize(
    "text",
    ["99PVG7S53JMD01", "99123456ABCD01", "9900000000000001", "A9912345678B02", "7K3M9QX2ABCD01", "00NX72VV7RF999", "1"],
)
def test_a_number_is_read_as_it_was_given_out(text: str) -> None:
    assert scanned(code128_svg(text)) == text
