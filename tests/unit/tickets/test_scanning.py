"""Codes are found in the files that people show: PDF, pictures, several pages, turned and small."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import typst
import zxingcpp

from app.tickets.scanning import read_codes

CODES = ("SL:" + "6BFOXN" * 25, "SL:" + "UPR7%.0" * 20)


def a_drawing(folder: Path, typst_text: str, file_format: Literal["pdf", "png"], ppi: float = 100.0) -> bytes:
    """Draw a page with the codes' pictures 0.svg and 1.svg."""
    for number, code in enumerate(CODES):
        (folder / f"{number}.svg").write_text(zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.QRCode).to_svg())
    (folder / "page.typ").write_text(typst_text)
    compiler = typst.Compiler(folder / "page.typ", root=folder, ignore_system_fonts=True)
    drawn = compiler.compile(format=file_format, ppi=ppi)
    assert isinstance(drawn, bytes)
    return drawn


def test_the_codes_of_all_pages_of_a_pdf_are_read_in_order(tmp_path: Path) -> None:
    pages = '#set page("a4")\n#image("0.svg", width: 6cm)\n#pagebreak()\nnothing\n#pagebreak()\n#image("1.svg", width: 6cm)'
    assert read_codes(a_drawing(tmp_path, pages, "pdf")) == CODES


def test_two_codes_of_one_picture_are_both_read(tmp_path: Path) -> None:
    page = '#set page("a5")\n#image("0.svg", width: 6cm)\n#image("1.svg", width: 6cm)'
    assert set(read_codes(a_drawing(tmp_path, page, "png", 200))) == set(CODES)


@pytest.mark.parametrize(
    "page",
    [
        '#set page("a5")\n#rotate(100deg, image("0.svg", width: 6cm))',
        '#set page("a4")\n#image("0.svg", width: 3cm)',
        '#set page("a5", fill: luma(60))\n#image("0.svg", width: 8cm)',
        '#set page("a5", fill: gradient.linear(red, blue))\n#image("0.svg", width: 8cm)',
    ],
    ids=["turned", "small", "dark", "coloured"],
)
def test_a_code_is_read_however_the_page_looks(tmp_path: Path, page: str) -> None:
    assert read_codes(a_drawing(tmp_path, page, "pdf")) == CODES[:1]


def test_a_picture_of_any_length_is_drawn_in_bounded_size(tmp_path: Path) -> None:
    strip = a_drawing(tmp_path, "#set page(width: 3pt, height: 9000pt, margin: 0pt)", "png", 72)
    assert read_codes(strip) == ()


def test_a_picture_without_a_code_has_none(tmp_path: Path) -> None:
    assert read_codes(a_drawing(tmp_path, '#set page("a6")\nno code', "png")) == ()


@pytest.mark.parametrize(
    "content", [b"", b"SL:6BF", b"%PDF-1.7 cut off", b"\x89PNG\r\n\x1a\n cut off", b"\xff\xd8\xff cut off"]
)
def test_a_file_that_cannot_be_drawn_is_named_so(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is"):
        read_codes(content)
