"""Commands on webhooks, against the scripted service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import webhook_pb2
from tests.support.scripted_service import Refusal, ScriptedService, at

WEBHOOK_ID = "0123456789abcdef"
URL = "https://hooks.example.com/seatline"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Runs a command of `seatline webhook` as an operator of the scripted service."""

    def run(*arguments: str) -> Result:
        shared = ("--target", service.target, "--user", "op@example.com", "--role", "operator")
        return CliRunner().invoke(app, ["webhook", *arguments, *shared])

    return run


def a_webhook(**values: Any) -> webhook_pb2.Webhook:
    told: dict[str, Any] = {"webhook_id": WEBHOOK_ID, "url": URL, "state": webhook_pb2.WEBHOOK_STATE_ACTIVE, "etag": "1"}
    return webhook_pb2.Webhook(update_time=at("2030-07-01T08:00:00Z"), **{**told, **values})


def a_delivery(state: webhook_pb2.WebhookDeliveryState.ValueType, *statuses: int) -> webhook_pb2.WebhookDelivery:
    delivery = webhook_pb2.WebhookDelivery(
        event_id="es9014:2030-07-01:3:0", event_type="booking.confirmed", event_time=at("2030-07-01T08:00:00Z"), state=state
    )
    for status in statuses:
        delivery.attempts.add(time=at("2030-07-01T08:00:05Z"), http_status=status, detail="out of \x1b[31morder")
    return delivery


def test_create_sends_its_arguments_and_prints_the_secret_on_a_separate_line(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateWebhook"] = a_webhook(event_types=["booking.*", "run.delayed"], secret=SECRET)
    result = seatline("create", URL, "--type", "booking.*", "--type", "run.delayed", "--request-id", "r1")
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("CreateWebhook")
    assert (asked.request_id, asked.validate_only) == ("r1", False)
    assert (asked.webhook.url, list(asked.webhook.event_types)) == (URL, ["booking.*", "run.delayed"])
    assert f"Secret, shown only once: {SECRET}\n" in result.stdout
    for text in (WEBHOOK_ID, URL, "booking.*, run.delayed", "active", "etag 1"):
        assert text in result.stdout
    assert service.metadata["x-seatline-roles"] == "operator"


def test_each_create_without_a_request_id_gets_a_new_one(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateWebhook"] = a_webhook()
    for _ in range(2):
        assert "Event types  all " in seatline("create", URL).stdout
    first, second = service.requests("CreateWebhook")
    assert first.request_id != second.request_id


def test_a_create_with_unknown_outcome_prints_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateWebhook"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    result = seatline("create", URL)
    assert result.exit_code == 3
    assert f"--request-id {service.requests('CreateWebhook')[0].request_id}" in result.stderr


def test_a_dry_run_says_that_nothing_was_created(service: ScriptedService, seatline: Any) -> None:
    tried = a_webhook(validate_only=True)
    for name in ("etag", "create_time", "update_time"):
        tried.ClearField(name)
    service.answers["CreateWebhook"] = tried
    shown = seatline("create", URL, "--dry-run").stdout
    assert "Dry run, nothing was created: webhook" in shown
    assert "would be active" in shown
    assert json.loads(seatline("create", URL, "--dry-run", "--json").stdout)["validate_only"] is True
    assert service.requests("CreateWebhook")[0].validate_only
    assert "Dry run: nothing was created." in shown
    assert "Secret" not in shown


def test_a_refused_field_is_named(service: ScriptedService, seatline: Any) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="webhook.url", description="has a fragment")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateWebhook"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("create", f"{URL}#x")
    assert (result.exit_code, result.stderr) == (1, "Error: webhook.url: has a fragment (INVALID_FIELD)\n")


@pytest.mark.parametrize(
    ("typed", "paths", "webhook"),
    [
        (("--url", "https://new.example.com/"), ["url"], webhook_pb2.Webhook(url="https://new.example.com/")),
        (("--type", "hold.*"), ["event_types"], webhook_pb2.Webhook(event_types=["hold.*"])),
        (("--all-types",), ["event_types"], webhook_pb2.Webhook()),
        (("--enable",), ["state"], webhook_pb2.Webhook(state=webhook_pb2.WEBHOOK_STATE_ACTIVE)),
        (("--disable",), ["state"], webhook_pb2.Webhook(state=webhook_pb2.WEBHOOK_STATE_DISABLED)),
        (
            ("--url", URL, "--type", "hold.*", "--type", "run.*", "--disable"),
            ["url", "event_types", "state"],
            webhook_pb2.Webhook(url=URL, event_types=["hold.*", "run.*"], state=webhook_pb2.WEBHOOK_STATE_DISABLED),
        ),
    ],
)
def test_update_sends_a_mask_of_the_given_fields(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...], paths: list[str], webhook: webhook_pb2.Webhook
) -> None:
    service.answers["UpdateWebhook"] = a_webhook(state=webhook_pb2.WEBHOOK_STATE_DISABLED)
    assert "disabled" in seatline("update", WEBHOOK_ID, *typed, "--etag", "1").stdout
    (asked,) = service.requests("UpdateWebhook")
    assert (asked.webhook_id, asked.etag, list(asked.update_mask.paths)) == (WEBHOOK_ID, "1", paths)
    assert asked.webhook == webhook


@pytest.mark.parametrize("typed", [(), ("--all-types", "--type", "hold.*")])
def test_an_empty_or_contradictory_update_is_refused_before_any_call(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...]
) -> None:
    result = seatline("update", WEBHOOK_ID, *typed)
    assert (result.exit_code, service.asked) == (2, [])
    assert "--all-types" in result.stderr


def test_list_and_show_show_webhooks(service: ScriptedService, seatline: Any) -> None:
    service.answers["GetWebhook"] = a_webhook(previous_secret_expire_time=at("2030-07-02T08:00:00Z"))
    assert "signs until Tue 02 Jul 2030 08:00 UTC" in seatline("show", WEBHOOK_ID).stdout
    service.answers["ListWebhooks"] = webhook_pb2.ListWebhooksResponse(webhooks=[a_webhook(event_types=["hold.*"])])
    shown = seatline("list").stdout
    for text in (WEBHOOK_ID, URL, "hold.*", "active", "1 webhook."):
        assert text in shown
    service.answers["ListWebhooks"] = webhook_pb2.ListWebhooksResponse()
    assert seatline("list").stdout == "No webhooks.\n"


def test_rotate_secret_shows_the_new_secret_or_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    service.answers["RotateWebhookSecret"] = a_webhook(secret=SECRET)
    assert SECRET in seatline("rotate-secret", WEBHOOK_ID, "--etag", "4").stdout
    asked = service.requests("RotateWebhookSecret")[0]
    assert (asked.webhook_id, asked.etag) == (WEBHOOK_ID, "4")
    service.answers["RotateWebhookSecret"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert f"seatline webhook show {WEBHOOK_ID}" in seatline("rotate-secret", WEBHOOK_ID).stderr


def test_delete_confirms_the_deletion(service: ScriptedService, seatline: Any) -> None:
    service.answers["DeleteWebhook"] = webhook_pb2.DeleteWebhookResponse()
    assert seatline("delete", WEBHOOK_ID, "--etag", "2").stdout == f"Deleted webhook {WEBHOOK_ID}.\n"
    asked = service.requests("DeleteWebhook")[0]
    assert (asked.webhook_id, asked.etag) == (WEBHOOK_ID, "2")


def test_deliveries_show_the_last_attempt_and_the_next_one(service: ScriptedService, seatline: Any) -> None:
    waiting = a_delivery(webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING, 500, 0)
    waiting.next_attempt_time.CopyFrom(at("2030-07-01T08:02:00Z"))
    ended = a_delivery(webhook_pb2.WEBHOOK_DELIVERY_STATE_FAILED, 503, 410)
    fresh = a_delivery(webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING)
    service.answers["ListWebhookDeliveries"] = webhook_pb2.ListWebhookDeliveriesResponse(deliveries=[waiting, ended, fresh])
    shown = seatline("deliveries", WEBHOOK_ID).stdout
    for text in (
        "booking.confirmed",
        "es9014:2030-07-01:3:0",
        "next Mon 01 Jul 2030 08:02 UTC",
        "2, Mon 01 Jul 2030 08:00 UTC",
        "no answer out of",
        "HTTP 410 out of",
        "none yet",
        "3 deliveries.",
    ):
        assert text in shown
    assert "\x1b" not in shown
    service.answers["ListWebhookDeliveries"] = webhook_pb2.ListWebhookDeliveriesResponse(deliveries=[fresh])
    assert "1 delivery." in seatline("deliveries", WEBHOOK_ID).stdout
    service.answers["ListWebhookDeliveries"] = webhook_pb2.ListWebhookDeliveriesResponse()
    assert seatline("deliveries", WEBHOOK_ID).stdout == "No deliveries.\n"


@pytest.mark.parametrize(
    ("typed", "method", "answer", "field"),
    [
        (("create", URL), "CreateWebhook", a_webhook(secret=SECRET), "secret"),
        (("list",), "ListWebhooks", webhook_pb2.ListWebhooksResponse(webhooks=[a_webhook()]), "webhooks"),
        (("show", WEBHOOK_ID), "GetWebhook", a_webhook(), "url"),
        (("update", WEBHOOK_ID, "--enable"), "UpdateWebhook", a_webhook(), "etag"),
        (("delete", WEBHOOK_ID), "DeleteWebhook", webhook_pb2.DeleteWebhookResponse(), ""),
        (("rotate-secret", WEBHOOK_ID), "RotateWebhookSecret", a_webhook(secret=SECRET), "secret"),
        (
            ("deliveries", WEBHOOK_ID),
            "ListWebhookDeliveries",
            webhook_pb2.ListWebhookDeliveriesResponse(
                deliveries=[a_delivery(webhook_pb2.WEBHOOK_DELIVERY_STATE_PENDING)],
                next_page_token="7QK2",
            ),
            "deliveries",
        ),
    ],
    ids=["create", "list", "show", "update", "delete", "rotate-secret", "deliveries"],
)
def test_with_json_every_command_prints_one_document(
    service: ScriptedService, seatline: Any, typed: tuple[str, ...], method: str, answer: Any, field: str
) -> None:
    service.answers[method] = answer
    result = seatline(*typed, "--page-size", "5", "--json") if typed[0] == "deliveries" else seatline(*typed, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document[field] if field else document == {}
