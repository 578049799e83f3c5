"""Documents that share a part.

Belongs here: joining a document's own fields with a part that many documents share, in two ways that give the same. Does not
belong here: which documents share what (`cached_run.py`, `runs.py`).
"""

from struct import Struct
from typing import Any, Protocol, TypeAlias

from bson import encode
from bson.raw_bson import RawBSONDocument

from app.store.driver import Document

_LENGTH = Struct("<i")

# What a packer makes of a shared part; only the packer that made it looks inside.
Part: TypeAlias = Any


class Packer(Protocol):
    """Joins documents of two parts."""

    def part(self, document: Document) -> Part:
        """Prepare what several documents share, for `join`."""

    def join(self, own: Document, part: Part) -> Document:
        """Return one document of its own fields, followed by those of the shared part."""


class PlainPacker:
    """Joins the parts as dictionaries: the plain version of `BsonPacker`, and the only one for a database in memory."""

    def part(self, document: Document) -> Part:
        """Return the document."""
        return document

    def join(self, own: Document, part: Part) -> Document:
        """Merge the two dictionaries."""
        merged: Document = own | part
        return merged


class BsonPacker:
    """Encodes the shared part once, and joins it with the bytes of each document.

    A booking is encoded for the commit and for its archiving. For a batch of 256 that took 7.3 us a booking instead of the 8.9
    us of `PlainPacker` (`python -m tests.bench.fast_paths`); encoding is most of what a statement costs this process.
    """

    def part(self, document: Document) -> Part:
        """Encode the fields of the document, without the frame of a document around them."""
        return encode(document)[4:-1]

    def join(self, own: Document, part: Part) -> Document:
        """Concatenate the encoded fields. (bsonspec.org: a document is its length, its fields, and a zero byte.)"""
        fields = encode(own)[4:-1]
        whole = _LENGTH.pack(len(fields) + len(part) + 5) + fields + part + b"\0"
        return RawBSONDocument(whole)  # type: ignore[return-value]  # a mapping that is read only
