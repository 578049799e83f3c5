"""QR codes, as SVG.

Belongs here: the picture of a text. Does not belong here: what the text says (`app/domain/ticket/code.py`), finding codes in
pictures (`scanning.py`).
"""

import zxingcpp

# 15 % of a code may be dirty or torn. The next level, 25 %, makes modules 20 % smaller, which costs more on a scratched screen.
_ERROR_CORRECTION = "M"


def qr_svg(text: str) -> str:
    """Return a text as QR in SVG, a unit for each module, without the margin that has to be around it (4 modules)."""
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=_ERROR_CORRECTION)
    return str(barcode.to_svg(scale=1, add_quiet_zones=False))
