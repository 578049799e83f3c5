"""The order in which options were typed, which typer does not pass on.

Belongs here: a command class that records it. Does not belong here: what the options mean.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

_KEY = "app.cli.option_order"


class OrderedOptionsCommand(TyperCommand):
    """Command that records the order of its options, over all of their kinds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args` as usual, and record in the context which option each occurrence belongs to."""
        # The parser consumes its list, so it gets a copy; the same arguments then parse in the same way.
        _, _, parameters = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_KEY] = [parameter.name for parameter in parameters]
        return super().parse_args(ctx, args)


def in_typed_order(context: typer.Context, values: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return (parameter, value) in the order typed. `values` are the values of each repeatable option, by parameter.

    The command has to be an `OrderedOptionsCommand`.
    """
    left = {name: iter(texts) for name, texts in values.items()}
    return [(name, next(left[name])) for name in context.meta[_KEY] if name in left]
