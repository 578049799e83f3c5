"""The command ticket verify: files and options in, verdicts and exit codes out. No service is asked."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from app.cli import app, ticket_verification
from app.domain.booking import Seat
from app.domain.ticket.code import TicketCode, bytes_to_sign, code_text
from app.domain.ticket.inspection import InspectionList, ListedState, ListedTicket, encode_list
from app.tickets.signing import key_id_of, public_keys_pem

NOW = datetime(2030, 7, 1, 8, tzinfo=UTC)
SEAT, OTHER_SEAT = Seat("A", "2", 17), Seat("A", "2", 18)
KEY, STRANGE_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def public_key(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def a_code(key: Ed25519PrivateKey = KEY, *, number: int = 1, revision: int = 3) -> str:
    code = TicketCode(
        key_id=key_id_of(public_key(key)),
        reference="7K2M9Q",
        passenger_number=number,
        train_id="es9014",
        travel_date="2030-07-01",
        legs=0b111,
        seat=SEAT,
        valid_until=NOW + timedelta(days=1),
        revision=revision,
    )
    content = bytes_to_sign(code)
    return code_text(content, key.sign(content))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with keys.pem. The clock stands at NOW."""
    monkeypatch.setattr(ticket_verification, "now", lambda: NOW)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.pem").write_bytes(public_keys_pem([public_key(KEY)]))
    return tmp_path


def write_list(
    folder: Path, *listed: ListedTicket, key: Ed25519PrivateKey = KEY, issue_time: datetime = NOW, changed: bool = False
) -> None:
    inspection = InspectionList("es9014", "2030-07-01", 9, issue_time, key_id_of(public_key(key)), tuple(listed))
    content = encode_list(inspection)
    signature = key.sign(content)
    package = {
        "content": base64.b64encode(content + b" " if changed else content).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    (folder / "list.json").write_text(json.dumps(package))


def listed(
    state: ListedState = ListedState.CONFIRMED, seat: Seat | None = SEAT, revision: int = 3, number: int = 1
) -> ListedTicket:
    return ListedTicket("7K2M9Q", number, revision, state, seat, 0b111)


def verify(*typed: str) -> Result:
    return CliRunner().invoke(app, ["ticket", "verify", *typed, "--keys", "keys.pem"])


def test_a_listed_ticket_is_valid(folder: Path) -> None:
    write_list(folder, listed())
    result = verify(a_code(), "--run", "es9014:2030-07-01", "--list", "list.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "VALID: the list has it with this seat.\n  7K2M9Q passenger 1, es9014 2030-07-01, seat A-17, coach 2, revision 3\n"
    )


@pytest.mark.parametrize(
    ("in_list", "verdict", "exit_code"),
    [
        (listed(seat=OTHER_SEAT, revision=4), "SUPERSEDED", 1),
        (listed(ListedState.CANCELLED, None, 4), "CANCELLED", 1),
        (listed(number=2), "UNKNOWN", 3),
        (listed(revision=2), "UNKNOWN", 3),
    ],
    ids=["another seat since", "cancelled", "not in the list", "newer than the list"],
)
def test_the_list_decides_and_never_says_a_wrong_no(folder: Path, in_list: ListedTicket, verdict: str, exit_code: int) -> None:
    write_list(folder, in_list)
    result = verify(a_code(), "--list", "list.json")
    assert (result.stdout.partition(":")[0], result.exit_code) == (verdict, exit_code)


def test_without_a_list_a_good_signature_is_unknown(folder: Path) -> None:
    result = verify(a_code())
    assert (result.stdout.partition(":")[0], result.exit_code) == ("UNKNOWN", 3)


def test_a_list_that_is_too_old_leaves_the_ticket_unknown(folder: Path) -> None:
    write_list(folder, listed(), issue_time=NOW - timedelta(minutes=61))
    assert verify(a_code(), "--list", "list.json").exit_code == 3
    assert verify(a_code(), "--list", "list.json", "--list-max-age", "1h 2m").exit_code == 0
    assert verify(a_code(), "--list", "list.json", "--list-max-age", "1h").exit_code == 3


def test_a_ticket_of_another_train_is_named(folder: Path) -> None:
    result = verify(a_code(), "--run", "es9014:2030-07-02")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        1,
        "WRONG_TRAIN: it is for es9014:2030-07-01, not for es9014:2030-07-02.",
    )


@pytest.mark.parametrize("text", ["SL:", "SL:NOT A TICKET", "SL:" + "0" * 700])
def test_a_text_that_is_no_code_is_invalid(folder: Path, text: str) -> None:
    result = verify(text)
    assert (result.exit_code, result.stdout.startswith("INVALID: ")) == (1, True)


def test_a_damaged_code_is_invalid_and_an_unknown_key_is_unknown(folder: Path) -> None:
    code = a_code()
    damaged = code[:40] + ("0" if code[40] != "0" else "1") + code[41:]
    assert verify(damaged).exit_code == 1
    assert verify(a_code(STRANGE_KEY)).exit_code == 3


def test_a_code_is_accepted_in_lower_case(folder: Path) -> None:
    write_list(folder, listed())
    assert verify(a_code().lower(), "--list", "list.json").exit_code == 0


def test_several_tickets_have_a_verdict_each_and_one_wrong_one_decides_the_exit_code(folder: Path) -> None:
    write_list(folder, listed(), listed(ListedState.CANCELLED, None, 4, number=2))
    result = verify(a_code(), a_code(number=2), a_code(number=3), "--list", "list.json")
    assert [line.partition(":")[0] for line in result.stdout.splitlines()[::2]] == ["VALID", "CANCELLED", "UNKNOWN"]
    assert result.exit_code == 1


def test_codes_are_read_from_a_text_file(folder: Path) -> None:
    write_list(folder, listed(), listed(number=2))
    (folder / "scanned.txt").write_text(f"{a_code()}\n{a_code(number=2)}\n")
    assert verify("scanned.txt", "--list", "list.json").stdout.count("VALID: ") == 2


def test_json_names_what_was_typed_and_what_the_code_says(folder: Path) -> None:
    document: Any = json.loads(verify(a_code(), "SL:", "--json").stdout)
    good, bad = document["tickets"]
    assert (good["verdict"], good["code"]["seat"], good["code"]["passenger_number"]) == ("UNKNOWN", "A-17", 1)
    assert (bad["ticket"], bad["verdict"], bad["code"]) == ("SL:", "INVALID", None)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--run", "es9014"), "--run: needs a train and a travel date"),
        (("--list", "missing.json"), "--list: cannot read missing.json"),
        (("--list", "keys.pem"), "--list: keys.pem is no list of tickets"),
        (("--list-max-age", "1h"), "--list-max-age: needs --list"),
        (("nothing.txt",), "cannot read nothing.txt"),
        (("keys.pem",), "keys.pem: has no line with a ticket's code"),
    ],
)
def test_a_wrong_option_or_file_is_named_before_any_verdict(folder: Path, arguments: tuple[str, ...], text: str) -> None:
    result = verify(a_code(), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


def test_an_age_that_is_no_duration_is_named(folder: Path) -> None:
    write_list(folder, listed())
    assert "--list-max-age:" in verify(a_code(), "--list", "list.json", "--list-max-age", "long").stderr


def test_a_list_that_the_service_did_not_sign_decides_nothing(folder: Path) -> None:
    write_list(folder, listed(), changed=True)
    assert "--list: list.json was changed" in verify(a_code(), "--list", "list.json").stderr
    write_list(folder, listed(), key=STRANGE_KEY)
    assert "is not in --keys" in verify(a_code(), "--list", "list.json").stderr


def test_a_file_of_keys_that_has_none_is_named(folder: Path) -> None:
    (folder / "keys.pem").write_text("no keys")
    result = verify(a_code())
    assert (result.exit_code, result.stderr.startswith("Error: --keys: keys.pem")) == (2, True)
