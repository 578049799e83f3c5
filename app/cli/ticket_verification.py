"""Checking tickets without a connection: the command ticket verify, and files of public keys.

An inspector's machine has this program, a file of public keys and a signed list; the service is not asked. So this is the only
module of the command line that imports the rules of tickets and the libraries of seatline[mail], inside the functions. Belongs
here: reading what was typed, the files, and the exit code. Does not belong here: judging a code (`app.domain.ticket.verdict`),
fetching keys and lists (`app.cli.tickets`).
"""

# ruff: noqa: PLC0415  imports inside the functions, so that other commands neither wait for the libraries nor need them
from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.failures import EXIT_REFUSED, EXIT_TRY_AGAIN, CommandError, Failure, UsageError
from app.cli.files import read_file
from app.cli.times import parse_minutes

if TYPE_CHECKING:
    from app.domain.ticket.inspection import InspectionList
    from app.domain.ticket.verdict import InspectionTerms, Judgement
    from app.tickets.signing import TicketKeys

_RUN = re.compile(r"(?P<train>[a-z0-9][a-z0-9-]*)(?::(?P<date>\d{4}-\d{2}-\d{2}))")
# A list of 5,000 tickets has about 1 MB, in base64 a third more; nine passengers for each seat of the largest train stay below.
LIST_BYTES_MAX = 64 * 1024 * 1024
_UNKNOWN_VERDICT, _VALID_VERDICT = "UNKNOWN", "VALID"

KeysOption = Annotated[
    Path, typer.Option("--keys", metavar="FILE", help="Public keys in PEM, as 'seatline ticket keys' saves them.")
]
RunOption = Annotated[
    str, typer.Option("--run", metavar="TRAIN:DATE", help="The train that you are on, such as es9014:2026-09-01.")
]
ListOption = Annotated[
    Path | None, typer.Option("--list", metavar="FILE", help="The run's tickets, as 'seatline ticket package' saves them.")
]
AgeOption = Annotated[
    str, typer.Option("--list-max-age", metavar="DURATION", help="An older list proves nothing. Default: 1h.")
]


def verify(
    context: typer.Context,
    ticket: Annotated[
        list[str],
        typer.Argument(metavar="FILE-OR-CODE...", help="Tickets as PDF, picture or text file, or the code itself (SL:...)."),
    ],
    keys: KeysOption,
    run: RunOption = "",
    inspection_list: ListOption = None,
    list_max_age: AgeOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check tickets without a connection: VALID, SUPERSEDED, CANCELLED, WRONG_TRAIN, INVALID or UNKNOWN.

    UNKNOWN says that nothing wrong was found and nothing proves the ticket: without a list that is new enough, ask the service.
    Exit code 0 if all are VALID, 1 if one is wrong, 3 if one is UNKNOWN and none is wrong.
    """
    with _library_needed():
        ticket_keys = _read_keys(keys)
        terms = _terms(run, inspection_list, list_max_age, ticket_keys)
        judged = [(typed, _judge(code, terms, ticket_keys)) for typed in ticket for code in _codes_of(typed)]
    documents = [_document(typed, judgement) for typed, judgement in judged]
    _print(documents, as_json=as_json or bool(context.find_root().params.get("as_json")))
    verdicts = {document["verdict"] for document in documents}
    if verdicts - {_VALID_VERDICT, _UNKNOWN_VERDICT}:
        raise typer.Exit(EXIT_REFUSED)
    if _UNKNOWN_VERDICT in verdicts:
        raise typer.Exit(EXIT_TRY_AGAIN)


def keys_pem(public_keys: Iterable[bytes]) -> bytes:
    """Return public keys of 32 bytes each as PEM. Raises `CommandError` without the libraries, or for a key that is none."""
    with _library_needed():
        from app.tickets.signing import public_keys_pem

        try:
            return public_keys_pem(public_keys)
        except ValueError as error:
            raise CommandError(Failure("INTERNAL", "the service sent a key that is not an Ed25519 public key")) from error


@contextmanager
def _library_needed() -> Iterator[None]:
    """Report a missing library of the extras as a usage error with the way out."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "app").partition(".")[0] == "app":
            raise
        raise UsageError(f"{error.name} is not installed; install seatline[mail,inspect]") from error


def _read_keys(path: Path) -> TicketKeys:
    from app.tickets.signing import KeyFileError, TicketKeys, read_public_keys

    try:
        return TicketKeys(read_public_keys(path))
    except KeyFileError as error:
        raise UsageError(f"--keys: {error}") from error


def _terms(run: str, list_path: Path | None, list_max_age: str, keys: TicketKeys) -> InspectionTerms:
    from app.domain.ticket.verdict import InspectionTerms

    if run and not _RUN.fullmatch(run):
        raise UsageError("--run: needs a train and a travel date, such as es9014:2026-09-01")
    inspection = None if list_path is None else _read_list(list_path, keys)
    terms = InspectionTerms(now(), run, inspection)
    if not list_max_age:
        return terms
    if inspection is None:
        raise UsageError("--list-max-age: needs --list")
    try:
        age_max = timedelta(minutes=parse_minutes(list_max_age))
    except ValueError as error:
        raise UsageError(f"--list-max-age: {error}") from error
    return InspectionTerms(terms.now, run, inspection, age_max)


def now() -> datetime:
    """Return the present time, by which validity and the list's age are judged: the clock of this machine."""
    return datetime.now(UTC)


def _read_list(path: Path, keys: TicketKeys) -> InspectionList:
    """Return a list whose signature is good. Raises `UsageError` for any other: it would decide on tickets."""
    from app.domain.ticket.inspection import MalformedListError, decode_list
    from app.domain.ticket.verdict import SignatureCheck

    try:
        package = json.loads(read_file(path, "--list", LIST_BYTES_MAX))
        content, signature = (base64.b64decode(package[name], validate=True) for name in ("content", "signature"))
        inspection = decode_list(content)
    except (MalformedListError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"--list: {path} is no list of tickets; save one with 'seatline ticket package'") from error
    check = keys.check_list(inspection, content, signature)
    if check is SignatureCheck.UNKNOWN_KEY:
        raise UsageError(f"--list: key {inspection.key_id}, which signed {path}, is not in --keys; save both again")
    if check is SignatureCheck.FORGED:
        raise UsageError(f"--list: {path} was changed, or not made by the service; save it again")
    return inspection


def _codes_of(typed: str) -> Sequence[str]:
    """Return the codes in what was typed: a code, or a file with at least one."""
    from app.domain.ticket.code import PREFIX
    from app.tickets.scanning import FILE_BYTES_MAX, read_codes

    if typed.strip().upper().startswith(PREFIX):
        return [typed.upper()]  # no code has lower-case letters
    content = read_file(Path(typed), "FILE-OR-CODE", FILE_BYTES_MAX)
    reason = "has no ticket's code; for a picture, take it sharper and closer"
    try:
        texts: Sequence[str] = read_codes(content)
    except ValueError as error:
        texts, reason = (
            content.decode(errors="replace").splitlines(),
            f"has no line with a ticket's code; as a picture: {error}",
        )
    codes = [text for text in texts if text.startswith(PREFIX)]
    if not codes:
        raise UsageError(f"{typed}: {reason}")
    return codes


def _judge(text: str, terms: InspectionTerms, keys: TicketKeys) -> Judgement:
    from app.domain.ticket.code import MalformedCodeError, read_code
    from app.domain.ticket.verdict import judge, judge_unreadable

    try:
        signed = read_code(text)
    except MalformedCodeError as error:
        return judge_unreadable(error)
    return judge(signed, keys.check_code(signed), terms)


def _document(typed: str, judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as a JSON object, with what was typed and what the code says."""
    document: dict[str, Any] = {"ticket": typed, "verdict": judgement.verdict.value, "reason": judgement.reason, "code": None}
    code = judgement.code
    if code is not None:
        document["code"] = {
            "reference": code.reference,
            "passenger_number": code.passenger_number,
            "train_id": code.train_id,
            "travel_date": code.travel_date,
            "seat": code.seat.label,
            "coach": code.seat.coach,
            "valid_until": code.valid_until.isoformat(),
            "revision": code.revision,
            "key_id": code.key_id,
        }
    return document


def _print(documents: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    from app.cli.render.screen import print_text
    from app.cli.render.tickets import verdict_text

    if as_json:
        typer.echo(json.dumps({"tickets": documents}, indent=2))
        return
    for document in documents:
        print_text(verdict_text(document))
