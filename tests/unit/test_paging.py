"""Page tokens lead back to where a page ended, and only for the question that gave them out."""

import base64
import json

import pytest

from app.rpc import paging
from tests.snapshots import invalid

EXAMPLE: paging.Key = ("2026-09-01", 7)
QUESTION = ("receipts", "jane@example.com", "2026-09-01")


@pytest.mark.parametrize("key", [("2026-09-01", 7), ("", 0), ("Gr\u00fc\u00dfe/+?&=\n", -1), ("x" * 500, 2**63)])
def test_a_token_leads_back_to_its_key(key: paging.Key) -> None:
    assert paging.decode(paging.encode(key, *QUESTION), EXAMPLE, *QUESTION) == key


def test_a_token_travels_in_a_url_as_it_is() -> None:
    token = paging.encode(("??>>~~\u00ff\u00fe" * 9, 1), *QUESTION)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_last_page_has_no_token_and_no_token_is_the_first_page() -> None:
    assert paging.encode(None, *QUESTION) == ""
    assert paging.decode("", EXAMPLE, *QUESTION) is None


@pytest.mark.parametrize(
    "question",
    [
        ("receipts", "bob@example.com", "2026-09-01"),
        ("receipts", "jane@example.com", ""),
        ("runs", "jane@example.com", "2026-09-01"),
        ("receipts", "jane@example.com", "2026-09-01", ""),
        (),
    ],
)
def test_a_token_of_another_question_is_refused(question: tuple[str, ...]) -> None:
    token = paging.encode(EXAMPLE, *QUESTION)
    with invalid("page_token"):
        paging.decode(token, EXAMPLE, *question)


@pytest.mark.parametrize("key", [(7, "2026-09-01"), ("2026-09-01",), ("2026-09-01", 7, 8), (), ("2026-09-01", "7")])
def test_a_token_with_a_key_of_another_kind_is_refused(key: paging.Key) -> None:
    token = paging.encode(key, *QUESTION)
    with invalid("page_token"):
        paging.decode(token, EXAMPLE, *QUESTION)


def made_up(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "****",
        "token with blanks",
        "\u00e9",
        "=",
        "A" * 5_000,
        "A" * 2_049,
        made_up(None),
        made_up(7),
        made_up([]),
        made_up({}),
        made_up("text"),
        made_up(["0" * 12, "2026-09-01", 7]),
        made_up([None, "2026-09-01", 7]),
        made_up([["deep"], {"$gt": ""}, 7]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 700).decode(),
        base64.urlsafe_b64encode(b"9" * 700).decode(),
        base64.urlsafe_b64encode(b"NaN").decode(),
        f"{paging.encode(EXAMPLE, *QUESTION)}A",
        paging.encode(EXAMPLE, *QUESTION)[:-2],
    ],
)
def test_a_token_that_somebody_made_up_is_refused(token: str) -> None:
    with invalid("page_token"):
        paging.decode(token, EXAMPLE, *QUESTION)


def test_a_truth_value_is_no_number() -> None:
    fingerprint = json.loads(base64.urlsafe_b64decode(paging.encode(EXAMPLE, *QUESTION) + "=="))[0]
    with invalid("page_token"):
        paging.decode(made_up([fingerprint, "2026-09-01", True]), EXAMPLE, *QUESTION)


def test_a_key_that_could_be_a_statement_is_only_ever_text() -> None:
    fingerprint = json.loads(base64.urlsafe_b64decode(paging.encode(EXAMPLE, *QUESTION) + "=="))[0]
    with invalid("page_token"):
        paging.decode(made_up([fingerprint, {"$gt": ""}, 7]), EXAMPLE, *QUESTION)
