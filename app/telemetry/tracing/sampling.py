"""Which calls are sampled.

Belongs here: what the environment says of it, and the decision for a call before there is a span. Does not: spans.

The SDK's samplers decide the same, but take some microseconds of every call to say no; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SAMPLER = "parentbased_traceidratio"
DEFAULT_SHARE = 0.01
# As OpenTelemetry has it: the lower half of a trace id stands for chance, so that all services decide alike.
_CHANCE_BITS = 64
_CHANCE_MASK = (1 << _CHANCE_BITS) - 1
_PARENT_BASED = "parentbased_"
_FIXED_SHARES = {"always_on": 1.0, "always_off": 0.0}


class SamplerUnknownError(ValueError):
    """The environment names no sampler that there is; the text says what it may name."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Calls are sampled by chance, a `share` of them from 0 to 1; with `follows_parent`, traced callers decide instead.

    Trace ids with a lower half below `bound` are sampled.
    """

    share: float
    follows_parent: bool
    bound: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", round(self.share * (1 << _CHANCE_BITS)))

    def samples(self, trace_id: int, parent_is_sampled: bool | None) -> bool:
        """Whether a call is sampled. `parent_is_sampled` is what its caller says, None where the trace begins here."""
        if self.follows_parent and parent_is_sampled is not None:
            return parent_is_sampled
        return trace_id & _CHANCE_MASK < self.bound


def read_sampling(environment: Mapping[str, str]) -> Sampling:
    """By OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Raises SamplerUnknownError."""
    asked = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    name = asked or DEFAULT_SAMPLER
    kind = name.removeprefix(_PARENT_BASED)
    share = _FIXED_SHARES.get(kind)
    if kind == "traceidratio":
        # Where a ratio is named without an argument, the standard takes all.
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
