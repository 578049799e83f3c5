"""Sales windows as documents.

Belongs here: encoding and decoding them. Does not belong here: where they are stored (`run_fields.py`, `train_documents.py`),
shapes (`sales_shapes.py`).
"""

from collections.abc import Iterable
from datetime import time
from typing import Any

from app.domain.sales_window import SalesWindow
from app.store.driver import Document


def sales_window_document(window: SalesWindow) -> Document:
    """Encode a sales window."""
    return {
        "open_time": window.open_time,
        "open_days_before": window.open_days_before,
        "open_at": window.open_at.isoformat("minutes"),
        "closes_minutes_before": window.closes_minutes_before,
    }


def sales_window_from(document: Document) -> SalesWindow:
    """Decode a sales window. The caller has checked the shape."""
    return SalesWindow(**(document | {"open_at": time.fromisoformat(document["open_at"])}))


def sales_windows_document(windows: Iterable[tuple[str, SalesWindow]]) -> list[list[Any]]:
    """Encode the sales windows of sections."""
    return [[section, sales_window_document(window)] for section, window in windows]


def sales_windows_from(stored: Iterable[list[Any]]) -> tuple[tuple[str, SalesWindow], ...]:
    """Decode the sales windows of sections."""
    return tuple((section, sales_window_from(window)) for section, window in stored)
