"""Bounds of repeated fields: known for each one of the contract, and checked before an element is read."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2
from app.rpc.element_counts import check_element_counts, repeated_fields

METHODS: list[MethodDescriptor] = [
    method
    for file in (booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
REPEATED = [(method, *found) for method in METHODS for found in repeated_fields(method.input_type)]


@pytest.mark.parametrize(
    ("method", "path", "field", "most"), REPEATED, ids=[f"{method.name}-{field}" for method, _, field, _ in REPEATED]
)
def test_one_element_too_many_is_refused_under_its_path(
    method: MethodDescriptor, path: tuple[str, ...], field: str, most: int
) -> None:
    request = GetMessageClass(method.input_type)()
    message: Any = request
    for name in path:
        message = getattr(message, name)
    elements = getattr(message, field)
    kind = message.DESCRIPTOR.fields_by_name[field]
    for _ in range(most):
        elements.add() if kind.message_type else elements.append("" if kind.type == kind.TYPE_STRING else 0)
    check_element_counts(request)
    elements.extend(list(elements[:1]))
    with pytest.raises(InvalidField) as refused:
        check_element_counts(request)
    assert refused.value.field == ".".join((*path, field))


def test_each_element_of_a_request_has_no_repeated_fields_of_its_own() -> None:
    for method, path, field, _ in REPEATED:
        kind = method.input_type
        for name in path:
            inner = kind.fields_by_name[name].message_type
            assert inner is not None
            kind = inner
        element = kind.fields_by_name[field].message_type
        assert element is None or not [name for name in element.fields if name.is_repeated], element.full_name
