"""NoticeService over the wire: who sees which notices, preferences, unsubscribing, previews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2

from app.domain.notices.notice import Notice, NoticeAttempt, NoticeChannelName, NoticeKind, NoticeState, notice_id
from app.domain.notices.unsubscribe import UnsubscribeRequest
from app.domain.people import email_key
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import notice_pb2
from app.process.bootstrap.tickets import build_ticket_signer
from app.store.in_memory import connect_in_memory
from app.tickets.signing import make_key_file
from app.usecases.notices.notices import NoticeUseCases
from app.usecases.notices.reading import NoticeReader
from tests.support.clients import ApiClient, RefusedCall, address, refusal
from tests.support.world import World, running_server, settings_for

INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
NOT_YOURS = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)  # the collection drops what is months old
KINDS = [number for number in notice_pb2.NoticeKind.values() if number]


async def call(client: ApiClient, method: str, request: Any) -> Any:
    return await getattr(client.notices, method)(request, **client._options)


async def change(client: ApiClient, *mask: str, etag: str = "", **wanted: Any) -> Any:
    return await call(
        client,
        "UpdateNotificationPreferences",
        notice_pb2.UpdateNotificationPreferencesRequest(
            preferences=notice_pb2.NotificationPreferences(**wanted),
            update_mask=field_mask_pb2.FieldMask(paths=mask),
            etag=etag,
        ),
    )


async def preferences_of(client: ApiClient, email: str = "") -> Any:
    return await call(client, "GetNotificationPreferences", notice_pb2.GetNotificationPreferencesRequest(email=email))


async def notices_of(client: ApiClient, **asked: Any) -> Any:
    return await call(client, "ListNotices", notice_pb2.ListNoticesRequest(**asked))


async def store_notices(world: World, who: str, count: int, reference: str = "ABC234") -> None:
    made = [
        Notice(
            notice_id=notice_id(NoticeKind.TICKET, reference, who[0], f"event-{number}", NoticeChannelName.EMAIL),
            kind=NoticeKind.TICKET,
            channel=NoticeChannelName.EMAIL,
            reference=reference,
            run_id="es9014:2026-09-01",
            addressee="-",
            passenger_numbers=(1, 2),
            recipient_key=email_key(address(who)),
            cause=f"event-{number}",
            revision=number,
            due_time=NOW,
            create_time=NOW + timedelta(minutes=number),
            state=NoticeState.FAILED,
            attempts=(NoticeAttempt(NOW, 550, "550 at RCPT TO"),),
            attempt_count=1,
            final_time=NOW,
        )
        for number in range(count)
    ]
    await world.server.store.notices.insert_if_absent(made)


async def test_a_person_sees_the_own_notices_page_by_page(world: World) -> None:
    jane = world.api_client("jane")
    await store_notices(world, "jane", 3)
    await store_notices(world, "bob", 1)

    first = await notices_of(jane, page_size=2)
    second = await notices_of(jane, page_size=2, page_token=first.next_page_token)

    found = [*first.notices, *second.notices]
    assert [notice.create_time.ToDatetime(UTC) for notice in found] == [NOW + timedelta(minutes=age) for age in (2, 1, 0)]
    assert second.next_page_token == ""
    assert {notice.last_detail for notice in found} == {""}
    assert "jane@example.com" not in str(found)


async def test_nobody_sees_the_notices_of_others(world: World) -> None:
    await store_notices(world, "jane", 1)

    assert (await refusal(notices_of(world.api_client("bob"), email="jane@example.com"))).says == NOT_YOURS
    assert list((await notices_of(world.api_client("bob"), reference="ABC234")).notices) == []


async def test_an_operator_sees_all_notices_of_a_booking_and_why_they_failed(world: World) -> None:
    await store_notices(world, "jane", 1)
    await store_notices(world, "bob", 1)

    found = (await notices_of(world.desk, reference="ABC234")).notices

    assert len(found) == 2
    assert {notice.last_detail for notice in found} == {"550 at RCPT TO"}
    assert {notice.state for notice in found} == {notice_pb2.NOTICE_STATE_FAILED}


async def test_an_operator_has_to_say_whose_notices(world: World) -> None:
    refused = await refusal(notices_of(world.desk))

    assert (refused.says, refused.fields) == (INVALID, ("email",))


async def test_preferences_begin_with_defaults_and_are_kept(world: World) -> None:
    jane = world.api_client("jane")
    before = await preferences_of(jane)
    assert (before.language, before.departure_reminders, list(before.channels)) == (
        "en",
        True,
        [notice_pb2.NOTICE_CHANNEL_EMAIL],
    )

    changed = await change(jane, "language", "arrival_reminders", language="fr", phone="no number, and not in the mask")

    assert (changed.language, changed.arrival_reminders, changed.departure_reminders, changed.phone) == ("fr", False, True, "")
    assert changed.etag != before.etag
    assert await preferences_of(jane) == changed
    assert await preferences_of(world.desk, "JANE@example.com") != before


async def test_a_stale_etag_is_refused(world: World) -> None:
    jane = world.api_client("jane")
    etag = (await preferences_of(jane)).etag
    await change(jane, "language", language="fr", etag=etag)

    refused = await refusal(change(jane, "language", language="en", etag=etag))

    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")


@pytest.mark.parametrize(
    ("mask", "wanted", "field"),
    [
        ("language", {"language": "de"}, "preferences.language"),
        ("phone", {"phone": "0612345678"}, "preferences.phone"),
        ("phone", {"phone": "+1" * 50}, "preferences.phone"),
        ("channels", {"channels": []}, "preferences.channels"),
        ("channels", {"channels": [notice_pb2.NOTICE_CHANNEL_LOG]}, "preferences.channels[0]"),
        ("channels", {"channels": [notice_pb2.NOTICE_CHANNEL_SMS]}, "preferences.phone"),
        ("email", {}, "update_mask.paths[0]"),
        ("language", {"language": "fr", "email": "nobody"}, "preferences.email"),
    ],
)
async def test_wrong_preferences_are_refused_and_nothing_is_changed(
    world: World, mask: str, wanted: dict[str, Any], field: str
) -> None:
    jane = world.api_client("jane")

    refused: RefusedCall = await refusal(change(jane, mask, **wanted))

    assert (refused.says, refused.fields) == (INVALID, (field,))
    assert (await preferences_of(jane)).etag == "0"


async def test_nobody_changes_the_preferences_of_others(world: World) -> None:
    bob = world.api_client("bob")

    assert (await refusal(change(bob, "language", language="fr", email="jane@example.com"))).says == NOT_YOURS
    assert (await refusal(preferences_of(bob, "jane@example.com"))).says == NOT_YOURS


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_every_kind_can_be_previewed_as_a_sample(world: World, language: str) -> None:
    for kind in KINDS:
        preview = await call(world.desk, "PreviewNotice", notice_pb2.PreviewNoticeRequest(kind=kind, language=language))

        assert "SAMPLE" in preview.subject
        assert f'lang="{language}"' in preview.html
        assert preview.plain_text
        assert preview.short_text


async def test_a_notice_about_a_booking_is_previewed_and_not_sent(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run(), "jane")
    request = notice_pb2.PreviewNoticeRequest(kind=notice_pb2.NOTICE_KIND_TICKET, reference=booking.reference)

    preview = await call(world.desk, "PreviewNotice", request)

    assert booking.reference in preview.subject
    assert "seat A-1" in preview.plain_text
    assert list((await notices_of(world.desk, reference=booking.reference)).notices) == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, INVALID),
        ({"kind": 99}, INVALID),
        ({"kind": 1, "language": "de"}, INVALID),
        ({"kind": 1, "reference": "no"}, INVALID),
        ({"kind": 1, "reference": "ABC234"}, (grpc.StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND")),
    ],
)
async def test_a_preview_of_nothing_is_refused(world: World, asked: dict[str, Any], says: Any) -> None:
    assert (await refusal(call(world.desk, "PreviewNotice", notice_pb2.PreviewNoticeRequest(**asked)))).says == says


@pytest.mark.parametrize("token", ["", "x", "A" * 300, "é"])
async def test_what_is_no_token_is_an_invalid_field(world: World, token: str) -> None:
    refused = await refusal(call(world.api_client(), "UnsubscribeByToken", notice_pb2.UnsubscribeByTokenRequest(token=token)))

    assert refused.says in (INVALID, (grpc.StatusCode.FAILED_PRECONDITION, "TICKETS_UNAVAILABLE"))


async def test_the_token_of_a_mail_ends_its_kind(tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    make_key_file(key_file)
    settings = settings_for(ticket_key_file=key_file)
    signer = build_ticket_signer(settings)
    assert signer is not None
    async with running_server(settings, connect_in_memory()) as world:
        jane = world.api_client("jane")
        booking = await jane.book(await world.run(), "jane")
        token = signer.unsubscribe_token(UnsubscribeRequest(NoticeKind.DELAYED, booking.reference, "-"))

        answer = await call(world.api_client(), "UnsubscribeByToken", notice_pb2.UnsubscribeByTokenRequest(token=token))
        forged = await refusal(
            call(world.api_client(), "UnsubscribeByToken", notice_pb2.UnsubscribeByTokenRequest(token=f"{token[:-4]}AAAA"))
        )

        assert answer.kind == notice_pb2.NOTICE_KIND_DELAYED
        assert not (await preferences_of(jane)).small_delays
        assert (forged.says, forged.fields) == (INVALID, ("token",))


def use_cases(world: World, found: UnsubscribeRequest | None) -> NoticeUseCases:
    """Return the use cases with a token that says this."""
    store = world.server.store
    reader: Any = NoticeReader
    return NoticeUseCases(store, lambda: NOW, reader, lambda: pytest.fail("nothing is written"), lambda _: found)


async def test_a_token_ends_its_kind_for_its_recipient_alone(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run(), "jane", "tom")
    asked = UnsubscribeRequest(NoticeKind.DEPARTURE_REMINDER, booking.reference, "2")

    for _ in range(2):
        assert await use_cases(world, asked).unsubscribe("token") is NoticeKind.DEPARTURE_REMINDER

    ended = await preferences_of(world.api_client("tom"))
    assert (ended.departure_reminders, ended.arrival_reminders, ended.etag) == (False, True, "1")
    assert (await preferences_of(jane)).departure_reminders


@pytest.mark.parametrize(
    "asked",
    [
        None,
        UnsubscribeRequest(NoticeKind.TICKET, "ABC234", "-"),
        UnsubscribeRequest(NoticeKind.DEPARTURE_REMINDER, "ABC234", "-"),
    ],
    ids=["no key signed it", "an essential kind", "a booking that is gone"],
)
async def test_a_token_that_names_nothing_to_end_is_refused(world: World, asked: UnsubscribeRequest | None) -> None:
    with pytest.raises(InvalidField):
        await use_cases(world, asked).unsubscribe("token")
