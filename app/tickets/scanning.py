"""Finding the codes of tickets in files: PDF and pictures.

Belongs here: from a file to the texts of its QRs. Does not belong here: what a text says (`app/domain/ticket/code.py`), drawing
QRs (`qr.py`).

Typst, which we have, draws a page of a PDF or a picture anew as PNG, so no other library is needed. Of that PNG only the red
channel is read: a QR is black on white.
"""

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import typst
import zxingcpp

FILE_BYTES_MAX = 10 * 1024 * 1024  # a photo; a PDF of nine tickets has 100 kB
_PAGES_MAX = 20  # a booking has at most 9 tickets
# Widths in pixels that are tried: in the first, which takes 0.2 s, a ticket's code has 7 pixels a module; photos may need more.
_WIDTHS = (700, 1_800)
_FORMATS = {b"%PDF": "pdf", b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp"}
# The height bounds the pixels, however long a picture is.
_PAGE = """#set page(width: {width}pt, height: auto, margin: 0pt)
#image("file", format: "{format}", width: {width}pt, height: {height}pt, fit: "contain"{page})
"""
_PNG_COLOURS = {2: 3, 6: 4}  # bytes a pixel of PNG's colour types RGB and RGBA


def read_codes(content: bytes) -> tuple[str, ...]:
    """Return the texts of all QRs in a PDF, PNG, JPEG, GIF or WebP, each once, in the order of its pages; empty for none.

    Raises ValueError, with the reason, for what is none of these or cannot be read.
    """
    kind = next((kind for magic, kind in _FORMATS.items() if content.startswith(magic)), None)
    if kind is None:
        raise ValueError("it is no PDF, PNG, JPEG, GIF or WebP")
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX // 1024 // 1024} MiB")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(content)
        for width in _WIDTHS:
            pictures = _pages(folder, width) if kind == "pdf" else [_drawn(folder, kind, width)]
            codes = tuple(dict.fromkeys(text for picture in pictures for text in _texts(picture)))
            if codes:
                return codes
    return ()


def _pages(folder: str, width: int) -> Iterator[bytes]:
    """Yield the pages of a PDF as PNG."""
    for page in range(1, _PAGES_MAX + 1):
        try:
            yield _drawn(folder, "pdf", width, f", page: {page}")
        except ValueError:
            if page == 1:
                raise
            return  # typst does not tell the number of pages; it refuses the page behind the last


def _drawn(folder: str, kind: str, width: int, page: str = "") -> bytes:
    """Return a page or picture as PNG of this width. Raises ValueError."""
    main = Path(folder) / "main.typ"
    main.write_text(_PAGE.format(width=width, height=2 * width, format=kind, page=page))
    try:
        return typst.compile(str(main), root=folder, format="png", ppi=72, ignore_system_fonts=True)
    except BaseException as error:  # a panic of typst, which is written in Rust, is a BaseException
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise ValueError("it is damaged, or protected by a password") from error


def _texts(png: bytes) -> list[str]:
    width, height, pixels = _red_channel(png)
    view = memoryview(pixels).cast("B", (height, width))
    return [
        barcode.text for barcode in zxingcpp.read_barcodes(view, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    ]


def _red_channel(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and the red channel of a PNG as typst writes it: 8 bits, not interlaced (RFC 2083)."""
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    pixel_bytes = _PNG_COLOURS[png[25]]
    content = zlib.decompress(b"".join(_chunks(png)))
    row_bytes = 1 + width * pixel_bytes
    rows: list[bytes] = []
    above = bytes(width)
    for start in range(0, height * row_bytes, row_bytes):
        row = content[start : start + row_bytes]
        above = _unfiltered(row[0], row[1::pixel_bytes], above)
        rows.append(above)
    return width, height, b"".join(rows)


def _chunks(png: bytes) -> Iterator[bytes]:
    """Yield the data chunks of a PNG."""
    position = 8
    while position < len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        if png[position + 4 : position + 8] == b"IDAT":
            yield png[position + 8 : position + 8 + length]
        position += length + 12


def _unfiltered(kind: int, row: bytes, above: bytes) -> bytes:
    """Return one channel of a row without its filter. Every filter keeps to one channel."""
    if kind == 0:
        return row
    if kind == 2:
        return bytes([(pixel + up) & 255 for pixel, up in zip(row, above, strict=True)])
    pixels = bytearray()
    left = corner = 0
    for pixel, up in zip(row, above, strict=True):
        guess = left if kind == 1 else (left + up) // 2 if kind == 3 else _nearest(left, up, corner)
        left, corner = (pixel + guess) & 255, up
        pixels.append(left)
    return bytes(pixels)


def _nearest(left: int, up: int, corner: int) -> int:
    """Return which of the three neighbours is nearest to left + up - corner: Paeth's filter."""
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
