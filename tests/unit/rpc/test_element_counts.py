"""Bounds of repeated fields: known for each one of the contract, and checked before an element is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2
from app.rpc.element_counts import RepeatedField, check_element_counts, repeated_fields

METHODS: list[MethodDescriptor] = [
    method
    for file in (booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def chains(kind: Descriptor) -> Iterator[tuple[RepeatedField, ...]]:
    """Yield each repeated field of a message, those of repeated elements included: the fields that lead to it, itself last."""
    for repeated in repeated_fields(kind):
        yield (repeated,)
        if repeated.is_nested:
            yield from ((repeated, *inner) for inner in chains(element_type(kind, repeated)))


def element_type(kind: Descriptor, repeated: RepeatedField) -> Descriptor:
    for name in repeated.names:
        inner = kind.fields_by_name[name].message_type
        assert inner is not None
        kind = inner
    return kind


REPEATED = [(method, chain) for method in METHODS for chain in chains(method.input_type)]


@pytest.mark.parametrize(
    ("method", "chain"),
    REPEATED,
    ids=[f"{method.name}-{'-'.join(field.path for field in chain)}" for method, chain in REPEATED],
)
def test_one_element_too_many_is_refused_under_its_path(method: MethodDescriptor, chain: tuple[RepeatedField, ...]) -> None:
    request = GetMessageClass(method.input_type)()
    message: Any = request
    for outer in chain[:-1]:
        message = outer.elements_of(message).add()
    fill(message, chain[-1])
    check_element_counts(request)
    elements = chain[-1].elements_of(message)
    elements.extend(list(elements[:1]))
    with pytest.raises(InvalidField) as refused:
        check_element_counts(request)
    assert refused.value.field == "[0].".join(field.path for field in chain)


def fill(message: Any, repeated: RepeatedField) -> None:
    """Give a repeated field as many elements as it may have."""
    elements = repeated.elements_of(message)
    for name in repeated.names[:-1]:
        message = getattr(message, name)
    kind = message.DESCRIPTOR.fields_by_name[repeated.names[-1]]
    for _ in range(repeated.most):
        elements.add() if kind.message_type else elements.append("" if kind.type == kind.TYPE_STRING else 0)


def test_the_repeated_fields_within_elements_are_counted_too() -> None:
    paths = {"[0].".join(field.path for field in chain) for _, chain in REPEATED}
    assert "operations[0].remove_seats.seat_numbers" in paths
