"""Sampling: by the environment, and as OpenTelemetry's own samplers decide."""

from __future__ import annotations

from random import Random

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from app.telemetry.tracing.context import EMPTY_CONTEXT, parse_trace_parent
from app.telemetry.tracing.exporter import make_sampler
from app.telemetry.tracing.sampling import SamplerUnknownError, Sampling, read_sampling


def _environment(sampler: str = "", argument: str = "") -> dict[str, str]:
    return {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Sampling(0.01, follows_parent=True)),
        (_environment("", "0.5"), Sampling(0.5, follows_parent=True)),
        (_environment("always_on"), Sampling(1.0, follows_parent=False)),
        (_environment("parentbased_always_off"), Sampling(0.0, follows_parent=True)),
        (_environment("TraceIdRatio", " 0.25 "), Sampling(0.25, follows_parent=False)),
        (_environment("parentbased_traceidratio"), Sampling(1.0, follows_parent=True)),
    ],
)
def test_sampling_follows_the_environment(environment: dict[str, str], expected: Sampling) -> None:
    assert read_sampling(environment) == expected


@pytest.mark.parametrize(
    ("sampler", "argument", "variable"),
    [
        ("sometimes", "", "OTEL_TRACES_SAMPLER:"),
        ("parentbased_", "", "OTEL_TRACES_SAMPLER:"),
        ("", "many", "OTEL_TRACES_SAMPLER_ARG:"),
        ("traceidratio", "1.5", "OTEL_TRACES_SAMPLER_ARG:"),
        ("traceidratio", "nan", "OTEL_TRACES_SAMPLER_ARG:"),
    ],
)
def test_the_error_of_an_unknown_sampler_names_the_variable_in_one_line(sampler: str, argument: str, variable: str) -> None:
    with pytest.raises(SamplerUnknownError) as raised:
        read_sampling(_environment(sampler, argument))
    assert str(raised.value).startswith(variable)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("follows_parent", [False, True])
@pytest.mark.parametrize("flags", ["", "00", "01"])
def test_decisions_equal_those_of_the_sdks_sampler(share: float, follows_parent: bool, flags: str) -> None:
    sampling, random = Sampling(share, follows_parent), Random(20_26)  # noqa: S311 - the same ids in every run
    sampler = make_sampler(sampling)
    for _ in range(300):
        trace_id = random.getrandbits(128)
        parent = parse_trace_parent(f"00-{trace_id:032x}-00f067aa0ba902b7-{flags}") if flags else EMPTY_CONTEXT
        theirs = sampler.should_sample(parent, trace_id, "call", SpanKind.SERVER).decision.is_sampled()  # type: ignore[no-untyped-call]  # it is not annotated
        assert sampling.samples(trace_id, flags == "01" if flags else None) == theirs


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "00-1-2-01",
        f"ff-{'1' * 32}-{'2' * 16}-01",
        f"00-{'0' * 32}-{'2' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"00-{'1' * 32}-{'2' * 16}-01-more",
    ],
)
def test_a_malformed_context_is_none(malformed: str) -> None:
    assert parse_trace_parent(malformed) is None
    assert parse_trace_parent(malformed, "vendor=1") is None


@pytest.mark.parametrize("trace_state", ["", "vendor=1"])
def test_a_context_is_the_same_with_and_without_a_trace_state(trace_state: str) -> None:
    context = parse_trace_parent(f"00-{'1' * 32}-{'2' * 16}-01", trace_state)
    assert context is not None
    found = trace.get_current_span(context).get_span_context()
    assert (found.trace_id, found.span_id) == (int("1" * 32, 16), int("2" * 16, 16))
    assert (found.is_remote, found.trace_flags.sampled, found.trace_state.to_header()) == (True, True, trace_state)
