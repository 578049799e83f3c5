"""The code of a ticket: what its QR says.

Belongs here: the fields, their bytes and their text. Does not belong here: signatures (`app/tickets/signing.py`), judging a
code (`verdict.py`), the picture (`app/tickets/qr.py`).

A code is the prefix `SL:` and, in base45 (RFC 9285), the signed bytes and their signature. QR writes these 45 characters in
5.5 bits each, so a code of 110 bytes is a QR of version 7, 45 modules wide. It has no name and no address.

    byte  0      version, 1; a signed inspection list begins with `{`, an unsubscribe token with 2: no signature serves two ends
    bytes 1-4    key id
    then         reference, passenger number, train id, travel date, first and last stop, section, coach, seat number,
                 end of validity, revision: texts in UTF-8 behind their length, numbers as varints (7 bits a byte, the
                 least significant first)
    last 64      Ed25519 signature of all before
"""

from datetime import UTC, date, datetime

from app.domain.booking import Seat
from app.domain.reference import REFERENCE
from app.domain.ticket.ticket import Ticket
from app.domain.timetable import legs_between
from app.domain.values import value

VERSION = 1
PREFIX = "SL:"
SIGNATURE_BYTES = 64
KEY_ID_BYTES = 4
CODE_LENGTH_MAX = 600  # characters; the longest names of train, section and coach give 450
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {character: index for index, character in enumerate(_ALPHABET)}
_VARINT_BYTES_MAX = 9  # 63 bits, as MongoDB's integers
_EPOCH = date(1970, 1, 1)


class MalformedCodeError(ValueError):
    """A text is no code of a ticket. The text says why."""


class NewerCodeError(MalformedCodeError):
    """A code has a version that this program does not know yet: a newer one may accept it."""


@value(frozen=True, slots=True)
class TicketCode:
    """What a code says. `legs` is the journey's set of legs, `key_id` 8 hexadecimal digits, `revision` the booking's."""

    key_id: str
    reference: str
    passenger_number: int
    train_id: str
    travel_date: str
    legs: int
    seat: Seat
    valid_until: datetime
    revision: int

    @property
    def run_id(self) -> str:
        """The run that the ticket is for: `<train_id>:<YYYY-MM-DD>`."""
        return f"{self.train_id}:{self.travel_date}"


@value(frozen=True, slots=True)
class SignedCode:
    """A code as read: what it says, the bytes that were signed, and the signature, which nobody has checked yet."""

    code: TicketCode
    signed_bytes: bytes
    signature: bytes


def code_of(ticket: Ticket, key_id: str) -> TicketCode:
    """Return what the code of a ticket says."""
    train_id, _, travel_date = ticket.run_id.rpartition(":")
    return TicketCode(
        key_id,
        ticket.reference,
        ticket.passenger_number,
        train_id,
        travel_date,
        ticket.legs,
        ticket.seat,
        ticket.valid_until,
        ticket.revision,
    )


def bytes_to_sign(code: TicketCode) -> bytes:
    """Return the bytes of a code that are signed."""
    first = (code.legs & -code.legs).bit_length() - 1
    return b"".join(
        (
            bytes((VERSION,)),
            bytes.fromhex(code.key_id),
            _text(code.reference),
            _varint(code.passenger_number),
            _text(code.train_id),
            _varint((date.fromisoformat(code.travel_date) - _EPOCH).days),
            _varint(first),
            _varint(code.legs.bit_length()),
            _text(code.seat.section),
            _text(code.seat.coach),
            _varint(code.seat.number),
            _varint(int(code.valid_until.timestamp())),
            _varint(code.revision),
        )
    )


def code_text(signed_bytes: bytes, signature: bytes) -> str:
    """Return the text of a code."""
    return PREFIX + base45_encode(signed_bytes + signature)


def read_code(text: str) -> SignedCode:
    """Return what the text of a code says. Raises MalformedCodeError; NewerCodeError where a newer program may know more.

    Blanks and line ends around the text do not count.
    """
    text = text.strip()
    if not text.startswith(PREFIX) or len(text) > CODE_LENGTH_MAX:
        raise MalformedCodeError(f"a ticket's code begins with {PREFIX} and has at most {CODE_LENGTH_MAX} characters")
    content = base45_decode(text.removeprefix(PREFIX))
    if content[:1] > bytes((VERSION,)):
        raise NewerCodeError(f"the code has version {content[0]}; this program knows version {VERSION}")
    signed_bytes, signature = content[:-SIGNATURE_BYTES], content[-SIGNATURE_BYTES:]
    try:
        return SignedCode(_read_fields(_Reader(signed_bytes)), signed_bytes, signature)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedCodeError(f"the code is incomplete or damaged: {error}") from error


def _read_fields(reader: "_Reader") -> TicketCode:
    if reader.take(1) != bytes((VERSION,)):
        raise ValueError("it has no version")
    key_id, reference, number, train_id = reader.take(KEY_ID_BYTES).hex(), reader.text(), reader.varint(), reader.text()
    travel_date = date.fromordinal(_EPOCH.toordinal() + reader.varint()).isoformat()
    first, last = reader.varint(), reader.varint()
    if not 0 <= first < last < 64 or REFERENCE.fullmatch(reference) is None:
        raise ValueError("its reference or stops are impossible")
    seat = Seat(reader.text(), reader.text(), reader.varint())
    valid_until, revision = datetime.fromtimestamp(reader.varint(), UTC), reader.varint()
    reader.expect_end()
    legs = legs_between(first, last)
    return TicketCode(key_id, reference, number, train_id, travel_date, legs, seat, valid_until, revision)


class _Reader:
    """Reads fields from bytes in order. Raises ValueError where they end too soon."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        taken = self._content[self._position : self._position + count]
        if len(taken) < count:
            raise ValueError("it ends too soon")
        self._position += count
        return taken

    def varint(self) -> int:
        """Return the next number."""
        number = 0
        for index in range(_VARINT_BYTES_MAX):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return number
        raise ValueError("a number is too large")

    def text(self) -> str:
        """Return the next text."""
        return self.take(self.varint()).decode()

    def expect_end(self) -> None:
        """Raise ValueError where bytes are left."""
        if self._position != len(self._content):
            raise ValueError("it goes on behind its end")


def _varint(number: int) -> bytes:
    if number < 0:
        raise ValueError(f"{number} is negative")
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _varint(len(encoded)) + encoded


def base45_encode(content: bytes) -> str:
    """Return bytes in base45 (RFC 9285): two bytes are three characters, a last one is two."""
    characters: list[str] = []
    for index in range(0, len(content), 2):
        chunk = content[index : index + 2]
        number = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            number, digit = divmod(number, 45)
            characters.append(_ALPHABET[digit])
    return "".join(characters)


def base45_decode(text: str) -> bytes:
    """Return the bytes of a text in base45. Raises MalformedCodeError."""
    content = bytearray()
    for index in range(0, len(text), 3):
        chunk = text[index : index + 3]
        if len(chunk) == 1:
            raise MalformedCodeError("the code is cut off")
        try:
            number = sum(_VALUES[character] * 45**position for position, character in enumerate(chunk))
            content += number.to_bytes(len(chunk) - 1, "big")
        except (KeyError, OverflowError):
            raise MalformedCodeError("the code is damaged: it is not base45") from None
    return bytes(content)
