"""Key files, key ids, and what one key signs."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import WHOLE_BOOKING, NoticeKind
from app.domain.notices.unsubscribe import TOKEN_LENGTH_MAX, UnsubscribeRequest
from app.domain.ticket.verdict import SignatureCheck
from app.tickets.signing import KEYS_MAX, KeyFileError, TicketKeys, open_signer, public_keys_pem, read_public_keys
from tests.support.builders import a_run
from tests.support.tickets import a_list, a_signer


def test_without_a_key_file_there_is_no_signer() -> None:
    assert open_signer(None, None, None) is None


def test_an_own_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ticket-key.pem"

    with ThreadPoolExecutor(8) as threads:
        signers = [future.result() for future in [threads.submit(open_signer, None, None, path) for _ in range(16)]]

    assert len({signer.key_id for signer in signers if signer is not None}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_old_keys_go_on_to_check_and_the_present_one_is_first(tmp_path: Path) -> None:
    old = tmp_path / "old.pem"
    old.write_bytes(public_keys_pem(a_signer("before").keys.public_keys.values()))

    signer = open_signer(None, old, tmp_path / "key.pem")

    assert signer is not None
    assert list(signer.keys.public_keys) == [signer.key_id, a_signer("before").key_id]
    assert signer.keys.check(a_signer("before").key_id, b"{}", a_signer("before").sign(b"{}")) is SignatureCheck.GENUINE


def test_an_inspection_list_is_checked_by_the_key_that_it_names() -> None:
    inspection = a_list(a_run())

    assert a_signer().keys.check_list(inspection, b"{}", a_signer().sign(b"{}")) is SignatureCheck.GENUINE
    assert a_signer().keys.check_list(inspection, b"{}", a_signer("forger").sign(b"{}")) is SignatureCheck.FORGED
    assert a_signer("other").keys.check_list(inspection, b"{}", a_signer().sign(b"{}")) is SignatureCheck.UNKNOWN_KEY


@pytest.mark.parametrize("kind", [kind for kind in NoticeKind if not KIND_POLICIES[kind].is_essential])
def test_an_unsubscribe_token_names_what_ends_and_no_address(kind: NoticeKind) -> None:
    for request in (UnsubscribeRequest(kind, "K7M2QXAB", WHOLE_BOOKING), UnsubscribeRequest(kind, "K7M2QX", "9")):
        token = a_signer().unsubscribe_token(request)

        assert len(token) <= TOKEN_LENGTH_MAX
        assert token.replace("-", "").replace("_", "").isalnum()
        assert a_signer().keys.read_unsubscribe_token(token) == request


def test_damaged_forged_and_foreign_tokens_ask_for_nothing() -> None:
    request = UnsubscribeRequest(NoticeKind.DEPARTURE_REMINDER, "K7M2QX", "2")
    token = a_signer().unsubscribe_token(request)
    keys = a_signer().keys

    assert keys.read_unsubscribe_token(a_signer("forger").unsubscribe_token(request)) is None
    for damaged in (
        "",
        "x",
        "é",
        token[:-2],
        token + "AA",
        "A" * 2_000,
        *(token[:at] + "A" * 3 + token[at + 3 :] for at in (9, 40)),
    ):
        assert keys.read_unsubscribe_token(damaged) is None


def test_a_signature_of_a_code_is_none_of_a_token() -> None:
    request = UnsubscribeRequest(NoticeKind.DEPARTURE_REMINDER, "K7M2QX", "2")

    assert a_signer().unsubscribe_token(request)[:1] != "{"
    keys = TicketKeys(a_signer().keys.public_keys.values())
    assert keys.check(a_signer().key_id, b"\1", a_signer().sign(b"\2")) is SignatureCheck.FORGED


def test_a_key_file_that_cannot_be_used_is_refused_with_its_name_and_nothing_of_it(tmp_path: Path) -> None:
    wrong_kind = ec.generate_private_key(ec.SECP256R1())
    for name, content in {
        "empty.pem": b"",
        "text.pem": b"secret words",
        "curve.pem": wrong_kind.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "large.pem": b"secret" * 20_000,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KeyFileError, match=name) as refused:
            open_signer(tmp_path / name, None, None)
        assert "secret" not in str(refused.value)
    with pytest.raises(KeyFileError, match="No such file"):
        open_signer(tmp_path / "missing.pem", None, None)


def test_a_file_of_public_keys_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    wrong_kind = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = next(iter(a_signer().keys.public_keys.values()))
    for name, content in {
        "empty.pem": b"",
        "curve.pem": wrong_kind.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "broken.pem": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "many.pem": public_keys_pem([key] * (KEYS_MAX + 1)),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KeyFileError, match=name):
            read_public_keys(tmp_path / name)
