"""Commands on tickets that call the service, against the scripted service."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import Result

from app.pb.seatline.v1 import notice_pb2, ticket_pb2
from app.tickets.signing import read_public_keys
from tests.support.scripted_service import Refusal, ScriptedService, at

USER = ("--user", "ann@example.com")
PDF = ticket_pb2.GetTicketResponse(
    content=b"%PDF-1.7 a ticket", content_type="application/pdf", filename="7K2M9Q-1.pdf", code="SL:6BF"
)
PUBLIC_KEYS = [Ed25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(2)]


def a_package() -> ticket_pb2.InspectionPackage:
    keys = [ticket_pb2.TicketKey(key_id=f"0000000{number}", public_key=key) for number, key in enumerate(PUBLIC_KEYS)]
    return ticket_pb2.InspectionPackage(
        content=b'{"tickets":[]}', signature=b"s" * 64, issue_time=at("2030-07-01T08:00:00Z"), ticket_count=2, keys=keys
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_ticket_is_saved_under_the_name_that_the_service_gives(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path
) -> None:
    service.answers["GetTicket"] = PDF
    result = seatline("ticket", "get", "7K2M9Q", "--passenger", "1", "--language", "fr", *USER)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "Saved the ticket to 7K2M9Q-1.pdf.\nCode: SL:6BF\n"
    assert (folder / "7K2M9Q-1.pdf").read_bytes() == PDF.content
    assert service.requests("GetTicket")[0] == ticket_pb2.GetTicketRequest(
        reference="7K2M9Q", passenger_number=1, format=ticket_pb2.TICKET_FORMAT_PDF, language="fr"
    )


@pytest.mark.parametrize("name", ["../over.pdf", "/tmp/over.pdf", ".bashrc", "", "a b.pdf", "x" * 200])  # noqa: S108
def test_a_name_that_leads_out_of_the_folder_is_not_used(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path, name: str
) -> None:
    service.answers["GetTicket"] = ticket_pb2.GetTicketResponse(content=b"x", filename=name)
    assert seatline("ticket", "get", "7K2M9Q", "--format", "png", *USER).exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["ticket.png"]


def test_a_ticket_that_cannot_be_written_is_a_usage_error_and_leaves_no_half_file(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path
) -> None:
    service.answers["GetTicket"] = PDF
    result = seatline("ticket", "get", "7K2M9Q", "--output", str(folder / "missing" / "t.pdf"), *USER)
    assert (result.exit_code, result.stderr.startswith("Error: --output: cannot write")) == (2, True)
    (folder / "t.pdf").mkdir()
    assert seatline("ticket", "get", "7K2M9Q", "--output", "t.pdf", *USER).exit_code == 2
    assert [path.name for path in folder.iterdir()] == ["t.pdf"]


def test_with_json_a_ticket_is_printed_and_saved_only_on_request(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path
) -> None:
    service.answers["GetTicket"] = PDF
    document = json.loads(seatline("ticket", "get", "7K2M9Q", "--json", *USER).stdout)
    assert base64.b64decode(document["content"]) == PDF.content
    assert list(folder.iterdir()) == []
    seatline("ticket", "get", "7K2M9Q", "--json", "--output", "t.pdf", *USER)
    assert (folder / "t.pdf").read_bytes() == PDF.content


def test_tickets_are_sent_again_by_all_channels_of_the_recipient(
    service: ScriptedService, seatline: Callable[..., Result]
) -> None:
    channels = (notice_pb2.NOTICE_CHANNEL_EMAIL, notice_pb2.NOTICE_CHANNEL_SMS)
    service.answers["ResendTicket"] = ticket_pb2.ResendTicketResponse(
        notices=[notice_pb2.Notice(channel=channel) for channel in channels]
    )
    result = seatline("ticket", "resend", "7K2M9Q", "--passenger", "2", "--request-id", "r1", *USER)
    assert result.stdout == "A worker sends the tickets within seconds, by mail and SMS.\n"
    assert service.requests("ResendTicket")[0] == ticket_pb2.ResendTicketRequest(
        reference="7K2M9Q", passenger_number=2, request_id="r1"
    )


def test_a_resend_with_unknown_outcome_prints_how_to_send_once(
    service: ScriptedService, seatline: Callable[..., Result]
) -> None:
    service.answers["ResendTicket"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    result = seatline("ticket", "resend", "7K2M9Q", *USER)
    assert result.exit_code == 3
    assert f"--request-id {service.requests('ResendTicket')[0].request_id}" in result.stderr


def test_the_list_of_a_run_is_saved_with_its_signature(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path
) -> None:
    service.answers["GetInspectionPackage"] = a_package()
    result = seatline("ticket", "package", "es9014", "2030-07-01", *USER)
    assert result.stdout == (
        "Saved the list of 2 tickets, as of Mon 01 Jul 2030 08:00:00 UTC, to tickets-es9014-2030-07-01.json.\n"
    )
    saved: Any = json.loads((folder / "tickets-es9014-2030-07-01.json").read_bytes())
    assert base64.b64decode(saved["content"]) == b'{"tickets":[]}'
    assert base64.b64decode(saved["signature"]) == b"s" * 64


def test_the_public_keys_are_saved_as_pem(service: ScriptedService, seatline: Callable[..., Result], folder: Path) -> None:
    service.answers["GetInspectionPackage"] = a_package()
    result = seatline("ticket", "keys", "es9014", "2030-07-01", "--output", "keys.pem", *USER)
    assert result.stdout == "Saved 2 public keys to keys.pem.\n"
    assert list(read_public_keys(folder / "keys.pem")) == PUBLIC_KEYS


def test_a_key_that_is_none_is_a_fault_of_the_service(
    service: ScriptedService, seatline: Callable[..., Result], folder: Path
) -> None:
    broken = a_package()
    broken.keys[0].public_key = b"short"
    service.answers["GetInspectionPackage"] = broken
    assert seatline("ticket", "keys", "es9014", "2030-07-01", *USER).exit_code == 4
    assert list(folder.iterdir()) == []
