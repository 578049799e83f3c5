"""Attribute names are those of the installed semantic conventions."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import cloudevents_attributes, messaging_attributes, rpc_attributes
from opentelemetry.semconv.attributes import db_attributes, error_attributes, http_attributes, server_attributes
from opentelemetry.semconv.schemas import Schemas

from app.telemetry.tracing import conventions

PACKAGES = {
    "RPC": rpc_attributes,
    "DB": db_attributes,
    "HTTP": http_attributes,
    "SERVER": server_attributes,
    "ERROR": error_attributes,
    "MESSAGING": messaging_attributes,
    "CLOUDEVENTS": cloudevents_attributes,
}
NAMES = [name for name in vars(conventions) if name.partition("_")[0] in PACKAGES and name != "ERROR_TYPE_OTHER"]


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_has_the_name_of_the_conventions(name: str) -> None:
    assert getattr(conventions, name) == getattr(PACKAGES[name.partition("_")[0]], name)


def test_the_schema_version_exists_and_no_name_is_deprecated() -> None:
    assert conventions.SCHEMA_URL in {schema.value for schema in Schemas}
    deprecated = {"rpc.system", "rpc.service", "rpc.grpc.status_code", "db.system", "db.operation", "db.name"}
    assert len(NAMES) > 15
    assert not deprecated & {getattr(conventions, name) for name in NAMES}
    assert error_attributes.ErrorTypeValues.OTHER.value == conventions.ERROR_TYPE_OTHER
