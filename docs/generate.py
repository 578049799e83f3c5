"""Write the generated parts of the documents.

Belongs here: which part of which page is generated, and from which table in the code. Does not belong here: the tables.

A generated part is between two comments: <!-- settings --> and <!-- /settings -->.

    python docs/generate.py            write the parts (`make docs`)
    python docs/generate.py --check    list the stale pages and exit with 1 if there are any
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))  # `deploy` is not installed

from app.config import ENVIRONMENT_PREFIX  # noqa: E402 - the path comes first
from app.domain.booking import BOOKING_TRANSITIONS  # noqa: E402
from app.domain.deliveries import DELIVERY_TRANSITIONS  # noqa: E402
from app.domain.jobs import JOB_TRANSITIONS  # noqa: E402
from app.domain.notices.notice import NOTICE_TRANSITIONS  # noqa: E402
from app.domain.payments import PAYMENT_TRANSITIONS, REFUND_TRANSITIONS, PaymentState  # noqa: E402
from app.domain.timetable import RUN_TRANSITIONS  # noqa: E402
from app.process.payment_providers import setting_fields  # noqa: E402
from app.telemetry.metrics.families import FAMILIES  # noqa: E402
from deploy.observability.generate import GROUPS  # noqa: E402
from deploy.observability.rules import alerts_table  # noqa: E402

State = TypeVar("State", bound=StrEnum)


class Part(NamedTuple):
    """A generated part: the file name of its page, the word in its comments, and the function that gives its text."""

    page: str
    name: str
    text: Callable[[], str]


def settings_table() -> str:
    """Return the table of all settings."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in setting_fields().items():
        default = "" if field.default is None else field.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        rows.append(f"| `{ENVIRONMENT_PREFIX}{name.upper()}` | {f'`{shown}`' if shown else 'empty'} | {field.description} |")
    return "\n".join(rows)


def metrics_table() -> str:
    """Return the table of all metric families."""
    rows = ["| metric | labels | what it is |", "|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        scope = ", *whole database*" if family.is_statistic else ""
        rows.append(f"| `{family.name}` ({family.kind}{scope}) | {labels} | {family.description} |")
    return "\n".join(rows)


def state_diagram(transitions: Mapping[tuple[State | None, State], str]) -> str:
    """Return a Mermaid state diagram: one arrow for each transition, and an arrow to the end from each final state."""
    arrows = [f"    {before or '[*]'} --> {after}: {cause}" for (before, after), cause in transitions.items()]
    left = {before for before, _ in transitions}
    final = dict.fromkeys(after for _, after in transitions if after not in left)
    arrows += [f"    {state} --> [*]" for state in final]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def payment_transitions() -> dict[tuple[PaymentState | None, PaymentState], str]:
    """Return the transitions of payments, each with the requests to the provider and the answers that cause it."""
    causes: dict[tuple[PaymentState | None, PaymentState], list[str]] = {(None, PaymentState.AUTHORIZING): ["created"]}
    for (before, asked, answer), after in PAYMENT_TRANSITIONS.items():
        causes.setdefault((before, after), []).append(f"{asked} {answer}")
    return {change: " or ".join(answers) for change, answers in causes.items()}


PARTS = (
    Part("configuration.md", "settings", settings_table),
    Part("metrics.md", "metrics", metrics_table),
    Part("alerts.md", "alerts", lambda: alerts_table(GROUPS)),
    Part("states.md", "bookings", lambda: state_diagram(BOOKING_TRANSITIONS)),
    Part("states.md", "payments", lambda: state_diagram(payment_transitions())),
    Part("states.md", "refunds", lambda: state_diagram(REFUND_TRANSITIONS)),
    Part("states.md", "runs", lambda: state_diagram(RUN_TRANSITIONS)),
    Part("states.md", "jobs", lambda: state_diagram(JOB_TRANSITIONS)),
    Part("states.md", "deliveries", lambda: state_diagram(DELIVERY_TRANSITIONS)),
    Part("states.md", "notices", lambda: state_diagram(NOTICE_TRANSITIONS)),
)


def with_part(page: str, name: str, text: str) -> str:
    """Return the page with `text` as the part of that name. Raises ValueError if the page lacks the comments around it."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    start = page.index(begin) + len(begin)
    return f"{page[:start]}{text}\n{page[page.index(end, start) :]}"


def pages() -> dict[Path, str]:
    """Return all pages that have generated parts, as they have to be."""
    made: dict[Path, str] = {}
    for part in PARTS:
        path = DOCS / part.page
        made[path] = with_part(made.get(path) or path.read_text(encoding="utf-8"), part.name, part.text())
    return made


def main() -> None:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check = parser.parse_args().check
    stale = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    if is_check and stale:
        sys.exit(f"run `make docs`; these pages are stale: {', '.join(path.name for path in stale)}")
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
