"""Ed25519 keys: signing codes, inspection lists and unsubscribe tokens, and checking signatures.

Belongs here: keys, their files, signatures. Does not belong here: what is signed (`app/domain/ticket`,
`app/domain/notices/unsubscribe.py`).

One private key signs; public keys of earlier ones go on to check. To rotate: put the public part of the present key into
SEATLINE_TICKET_OLD_KEYS_FILE, then give all servers and workers the new private key.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.domain.notices.unsubscribe import MalformedTokenError, UnsubscribeRequest, read_token, token_bytes, token_text
from app.domain.ticket.code import KEY_ID_BYTES, SignedCode, bytes_to_sign, code_of, code_text
from app.domain.ticket.inspection import InspectionList
from app.domain.ticket.ticket import Ticket
from app.domain.ticket.verdict import SignatureCheck

KEYS_MAX = 100  # in a file of public keys: a new key each week for two years
_KEY_FILE_BYTES_MAX = 64 * 1024  # KEYS_MAX keys of 113 bytes each, with comments
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class KeyFileError(Exception):
    """A key file cannot be used. The text names the file and the way out; it has nothing of the key."""


def key_id_of(public_key: bytes) -> str:
    """Return the id of a public key of 32 bytes: 8 hexadecimal digits."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_BYTES].hex()


class TicketKeys:
    """Public keys by id. Checks signatures."""

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        """Take public keys of 32 bytes each, the present one first."""
        self.public_keys: dict[str, bytes] = {key_id_of(key): key for key in public_keys}
        self._keys = {key_id: Ed25519PublicKey.from_public_bytes(key) for key_id, key in self.public_keys.items()}

    def check(self, key_id: str, content: bytes, signature: bytes) -> SignatureCheck:
        """Return whether the key with this id signed the content."""
        key = self._keys.get(key_id)
        if key is None:
            return SignatureCheck.UNKNOWN_KEY
        try:
            key.verify(signature, content)
        except InvalidSignature:
            return SignatureCheck.FORGED
        return SignatureCheck.GENUINE

    def check_code(self, signed: SignedCode) -> SignatureCheck:
        """Return whether the key that a code names signed it."""
        return self.check(signed.code.key_id, signed.signed_bytes, signed.signature)

    def check_list(self, inspection: InspectionList, content: bytes, signature: bytes) -> SignatureCheck:
        """Return whether the key that an inspection list names signed its bytes."""
        return self.check(inspection.key_id, content, signature)

    def read_unsubscribe_token(self, token: str) -> UnsubscribeRequest | None:
        """Return what an unsubscribe token asks for; None where it is damaged or none of the keys signed it."""
        try:
            signed = read_token(token)
        except MalformedTokenError:
            return None
        check = self.check(signed.key_id, signed.signed_bytes, signed.signature)
        return signed.request if check is SignatureCheck.GENUINE else None


class TicketSigner:
    """The private key that signs, and all public keys, its own first."""

    def __init__(self, private_key: Ed25519PrivateKey, old_public_keys: Iterable[bytes] = ()) -> None:
        self._private_key = private_key
        public_key = private_key.public_key().public_bytes_raw()
        self.key_id = key_id_of(public_key)
        self.keys = TicketKeys((public_key, *old_public_keys))

    def sign(self, content: bytes) -> bytes:
        """Return the signature of bytes whose first byte tells what they are."""
        return self._private_key.sign(content)

    def ticket_code(self, ticket: Ticket) -> str:
        """Return the text of a ticket's code."""
        content = bytes_to_sign(code_of(ticket, self.key_id))
        return code_text(content, self.sign(content))

    def unsubscribe_token(self, request: UnsubscribeRequest) -> str:
        """Return the token of a List-Unsubscribe link."""
        content = token_bytes(request, self.key_id)
        return token_text(content, self.sign(content))


def open_signer(key_file: Path | None, old_keys_file: Path | None, own_key_file: Path | None) -> TicketSigner | None:
    """Return the signer of this process; None where there is no key.

    Without `key_file`, the key is in `own_key_file`, which is made where it is missing. Raises KeyFileError.
    """
    if key_file is None and own_key_file is not None:
        key_file = own_key_file
        make_key_file(own_key_file)
    if key_file is None:
        return None
    return TicketSigner(read_private_key(key_file), read_public_keys(old_keys_file) if old_keys_file else ())


def make_key_file(path: Path) -> None:
    """Make a new private key where the file is missing; only its owner may read it. Raises KeyFileError.

    Processes that start together agree on one key: the file appears as a whole, and is never overwritten.
    """
    if path.exists():
        return
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
            os.link(temporary, path)
        except FileExistsError:
            pass  # another process was faster
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot make a key file: {error.strerror}") from error


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key in a PEM file. Raises KeyFileError."""
    try:
        key = load_pem_private_key(_content(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: is no private key in PEM; make one with `openssl genpkey -algorithm ed25519`") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: the key is not of Ed25519; make one with `openssl genpkey -algorithm ed25519`")
    return key


def read_public_keys(path: Path) -> tuple[bytes, ...]:
    """Return the public keys in a PEM file, 32 bytes each. Raises KeyFileError."""
    blocks = _PUBLIC_PEM.findall(_content(path))
    if not 0 < len(blocks) <= KEYS_MAX:
        raise KeyFileError(f"{path}: has {len(blocks)} public keys in PEM; 1 to {KEYS_MAX} are possible")
    return tuple(_public_key(path, index, block) for index, block in enumerate(blocks, 1))


def _public_key(path: Path, index: int, block: bytes) -> bytes:
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: key {index} cannot be read") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path}: key {index} is not of Ed25519")
    return key.public_bytes_raw()


def public_keys_pem(public_keys: Iterable[bytes]) -> bytes:
    """Return public keys of 32 bytes each as the PEM file that `read_public_keys` reads."""
    keys = [Ed25519PublicKey.from_public_bytes(key) for key in public_keys]
    return b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _KEY_FILE_BYTES_MAX:
        raise KeyFileError(f"{path}: has more than {_KEY_FILE_BYTES_MAX} bytes")
    return content
