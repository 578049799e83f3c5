"""Events as CloudEvents 1.0 in JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.domain.events import Event, EventType
from app.notifications.cloud_events import CONTENT_TYPE, encode, source_of, type_name

EVENT = Event(
    event_id="es9014:2026-09-01:12:0",
    event_type=EventType.BOOKING_CONFIRMED,
    run_id="es9014:2026-09-01",
    sequence=12_000,
    time=datetime(2026, 8, 1, 12, 30, 0, 250_000, tzinfo=UTC),
    subject="7QK2MZ",
    data={"reference": "7QK2MZ", "passengers": [{"seat": "A-1"}], "price": {"minor": 2_000, "currency": "USD"}},
    trace_parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
# The specification, "Naming Conventions".
ATTRIBUTE_NAME = re.compile("[a-z0-9]{1,20}")


def decoded(event: Event) -> dict[str, Any]:
    found = json.loads(encode(event))
    assert isinstance(found, dict)
    return found


def test_an_event_has_every_attribute_in_its_form() -> None:
    assert decoded(EVENT) == {
        "specversion": "1.0",
        "id": "es9014:2026-09-01:12:0",
        "source": "/seatline/runs/es9014:2026-09-01",
        "type": "com.seatline.booking.confirmed.v1",
        "subject": "7QK2MZ",
        "time": "2026-08-01T12:30:00.250Z",
        "datacontenttype": "application/json",
        "sequence": "0000000000000012000",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data": {"reference": "7QK2MZ", "passengers": [{"seat": "A-1"}], "price": {"minor": 2_000, "currency": "USD"}},
    }
    assert CONTENT_TYPE == "application/cloudevents+json"


def test_attribute_names_are_those_that_the_specification_allows() -> None:
    assert [name for name in decoded(EVENT) if not ATTRIBUTE_NAME.fullmatch(name)] == []


def test_unknown_attributes_are_left_out_instead_of_empty() -> None:
    assert decoded(EVENT).keys() - decoded(replace(EVENT, trace_parent="", subject="")).keys() == {"traceparent", "subject"}


def test_empty_data_is_present() -> None:
    assert decoded(replace(EVENT, data={}))["data"] == {}


def test_sequences_compare_as_text_as_they_do_as_numbers() -> None:
    numbers = [0, 1, 9, 10, 99, 100, 12_000, 2**53, 2**63 - 1]
    texts = [decoded(replace(EVENT, sequence=number))["sequence"] for number in numbers]
    assert texts == sorted(texts)
    assert [int(text) for text in texts] == numbers


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    paris = timezone(timedelta(hours=2))
    assert decoded(replace(EVENT, time=datetime(2026, 8, 1, 14, 30, tzinfo=paris)))["time"] == "2026-08-01T12:30:00.000Z"


def test_texts_in_any_script_are_kept() -> None:
    data = {"name": 'Žofie 山田 \u202e "quoted" \n'}
    assert decoded(replace(EVENT, data=data))["data"] == data


def test_the_same_event_gives_the_same_bytes() -> None:
    assert encode(EVENT) == encode(replace(EVENT))


@pytest.mark.parametrize(
    "event",
    [
        replace(EVENT, time=datetime(2026, 8, 1, 12)),  # noqa: DTZ001 - this is what is wrong with it
        replace(EVENT, sequence=-1),
        replace(EVENT, data={"share": float("nan")}),
    ],
    ids=["a time without a zone", "a negative sequence", "data that JSON has no word for"],
)
def test_an_event_that_receivers_could_not_read_is_not_encoded(event: Event) -> None:
    with pytest.raises(ValueError, match=r"time without a zone|not JSON compliant"):
        encode(event)


@pytest.mark.parametrize("event_type", list(EventType), ids=str)
def test_each_type_names_its_definer_and_version(event_type: EventType) -> None:
    assert re.fullmatch(r"com\.seatline\.[a-z]+\.[a-z]+\.v1", type_name(event_type))


def test_a_source_is_a_uri_reference_for_any_run_id() -> None:
    assert source_of("es 9014/é:2026-09-01") == "/seatline/runs/es%209014%2F%C3%A9:2026-09-01"
