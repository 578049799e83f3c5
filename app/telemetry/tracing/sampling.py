"""The sampling decision.

Belongs here: the environment's settings, and deciding about a call before it has a span. Does not belong here: spans.

The SDK's samplers decide the same, but take some microseconds of every call to say no; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SAMPLER = "parentbased_traceidratio"
DEFAULT_SHARE = 0.01
# OpenTelemetry's rule: the lower half of the trace id is the random number, so that all services decide alike.
_RANDOM_BITS = 64
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_PARENT_BASED = "parentbased_"
_FIXED_SHARES = {"always_on": 1.0, "always_off": 0.0}


class SamplerUnknownError(ValueError):
    """The environment names an unknown sampler or ratio; the text says what it may name."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Samples a `share` of calls, from 0 to 1. With `follows_parent`, a call of a trace follows its caller instead.

    A trace id is sampled when its lower half is below `bound`.
    """

    share: float
    follows_parent: bool
    bound: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", round(self.share * (1 << _RANDOM_BITS)))

    def samples(self, trace_id: int, parent_is_sampled: bool | None) -> bool:
        """Return whether a call is sampled. `parent_is_sampled` is the caller's decision, None where the trace begins here."""
        if self.follows_parent and parent_is_sampled is not None:
            return parent_is_sampled
        return trace_id & _RANDOM_MASK < self.bound


def read_sampling(environment: Mapping[str, str]) -> Sampling:
    """Read OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Raise SamplerUnknownError."""
    asked = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    name = asked or DEFAULT_SAMPLER
    kind = name.removeprefix(_PARENT_BASED)
    share = _FIXED_SHARES.get(kind)
    if kind == "traceidratio":
        # A ratio without an argument is 1.0, by the standard.
        share = _share(environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip(), 1.0 if asked else DEFAULT_SHARE)
    if share is None:
        raise SamplerUnknownError(f"OTEL_TRACES_SAMPLER: {name!r} is not always_on, always_off, traceidratio, or parentbased_…")
    return Sampling(share, follows_parent=name != kind)


def _share(text: str, default: float) -> float:
    try:
        share = float(text) if text else default
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SamplerUnknownError(f"OTEL_TRACES_SAMPLER_ARG: {text!r} is not a share from 0 to 1")
    return share
