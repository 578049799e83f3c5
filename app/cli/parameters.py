"""Arguments and options that commands of several resources share.

Belongs here: their declarations for typer. Does not belong here: parameters of one command (beside that command), parsing what
was typed (`app.cli.arguments`), and the connection options that every command takes (`app.cli.options`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

# A service that starts its own database is ready within seconds; nobody waits longer than this.
WAIT_SECONDS_MAX = 600.0

TrainArgument = Annotated[str, typer.Argument(metavar="TRAIN", help="Train id, such as es9014.")]
DateArgument = Annotated[str, typer.Argument(metavar="DATE", help="Travel date, YYYY-MM-DD.")]
ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="Booking reference: six or eight letters and digits.")
]
LanguageOption = Annotated[
    Literal["en", "fr"] | None, typer.Option("--language", help="Language of notices and tickets: English or French.")
]
SectionOption = Annotated[str, typer.Option("--section", metavar="SECTION", help="Section, such as A.")]
FromOption = Annotated[str, typer.Option("--from", metavar="STOP", help="Origin: name or code of the stop.")]
ToOption = Annotated[str, typer.Option("--to", metavar="STOP", help="Destination: name or code of the stop.")]
DateOption = Annotated[str, typer.Option("--date", metavar="DATE", help="Only this travel date, YYYY-MM-DD.")]
PageSizeOption = Annotated[
    int, typer.Option("--page-size", min=0, max=1000, metavar="N", help="Show one page of N entries instead of all.")
]
PageTokenOption = Annotated[
    str, typer.Option("--page-token", metavar="TOKEN", help="Show the page after the one that returned TOKEN.")
]
RequestIdOption = Annotated[
    str, typer.Option("--request-id", metavar="ID", help="Retry an earlier request: the same ID never books twice.")
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait", min=0, max=WAIT_SECONDS_MAX, metavar="SECONDS", help="Wait up to SECONDS for the service to be ready."
    ),
]
