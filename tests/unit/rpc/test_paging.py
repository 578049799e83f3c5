"""Page tokens continue a list where a page ended, and only under the same filters."""

import base64
import json
from random import Random
from typing import Any

import pytest

from app.domain.refusals import InvalidField
from app.rpc import paging
from app.rpc.paging import PageTokens
from tests.support.builders import seeded_random
from tests.support.run_snapshots import invalid

QUESTION = ("jane@example.com", "2026-09-01")
RECEIPT_KEY = ("2026-09-01", "es9014", "7QK2M4")
LONGEST_TRAIN_ID = "z" * 32
KEYS: list[tuple[PageTokens[Any], tuple[str | int, ...]]] = [
    (paging.RECEIPTS, RECEIPT_KEY),
    (paging.RECEIPTS, ("9999-12-31", LONGEST_TRAIN_ID, "7QK2M4AB")),
    (paging.RUNS, ("2026-09-01", "es9014:2026-09-01")),
    (paging.RUNS, ("0001-01-01", f"{LONGEST_TRAIN_ID}:0001-01-01")),
    (paging.TRAINS, ("es-9014",)),
    (paging.SECTION_ROWS, (1, "000000")),
    (paging.SECTION_ROWS, (20_000, "ZZZZZZZZ")),
    (paging.WEBHOOKS, ("0123456789abcdef",)),
    (paging.DELIVERIES, (0, "es9014:2026-09-01:7:0:0123456789abcdef")),
    (paging.DELIVERIES, (253_402_300_799_999, "x" * 300)),
    (paging.JOBS, ("deliver webhook", 'a job with "quotes" and \\')),
    (paging.JOBS, ('"' * 300, "\\" * 300)),
]
MUTATIONS = 300  # of each key; all of them take about a second


def made_up(value: object) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def inside(token: str) -> list[Any]:
    """Return the decoded token: a checksum and the parts of a key."""
    found: list[Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return found


@pytest.mark.parametrize(("tokens", "key"), KEYS)
def test_a_token_decodes_to_its_key(tokens: PageTokens[Any], key: tuple[str | int, ...]) -> None:
    token = tokens.encode(key, *QUESTION)
    assert tokens.decode(token, *QUESTION) == key
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_last_page_has_no_token_and_no_token_means_the_first_page() -> None:
    assert paging.RECEIPTS.encode(None, *QUESTION) == ""
    assert paging.RECEIPTS.decode("", *QUESTION) is None


@pytest.mark.parametrize(
    "question",
    [
        ("bob@example.com", "2026-09-01"),
        ("jane@example.com", ""),
        ("jane@example.com", "2026-09-01", ""),
        ("jane@example.com\n2026-09-01",),
        (),
    ],
)
def test_a_token_of_other_filters_is_refused(question: tuple[str, ...]) -> None:
    token = paging.RECEIPTS.encode(RECEIPT_KEY, *QUESTION)
    with invalid("page_token"):
        paging.RECEIPTS.decode(token, *question)


@pytest.mark.parametrize(("tokens", "key"), KEYS)
def test_a_token_of_another_list_is_refused(tokens: PageTokens[Any], key: tuple[str | int, ...]) -> None:
    for other, _ in KEYS:
        if other is not tokens:
            with invalid("page_token"):
                other.decode(tokens.encode(key, *QUESTION), *QUESTION)


@pytest.mark.parametrize(
    ("tokens", "key"),
    [
        (paging.RECEIPTS, ("2026-02-30", "es9014", "7QK2M4")),
        (paging.RECEIPTS, ("2026-9-1", "es9014", "7QK2M4")),
        (paging.RECEIPTS, ("٢٠٢٦-09-01", "es9014", "7QK2M4")),
        (paging.RECEIPTS, ("2026-09-01", "ES 9014", "7QK2M4")),
        (paging.RECEIPTS, ("2026-09-01", "es9014", "7QK2M")),
        (paging.RECEIPTS, ("2026-09-01", "es9014", "7QK2M4A")),
        (paging.RECEIPTS, ("2026-09-01", "es9014", "7QK2M4\n")),
        (paging.RECEIPTS, ("2026-09-01", "es9014")),
        (paging.RECEIPTS, ("2026-09-01", "es9014", {"$gt": ""})),
        (paging.RECEIPTS, ("2026-09-01", "es9014", None)),
        (paging.RECEIPTS, ("2026-09-01", "es9014", "7QK2M4", "")),
        (paging.RUNS, ("2026-09-01", "es9014")),
        (paging.RUNS, ("2026-09-01", "es9014:2026-13-01")),
        (paging.RUNS, (["2026-09-01"], "es9014:2026-09-01")),
        (paging.TRAINS, ("",)),
        (paging.TRAINS, ("a\0",)),
        (paging.TRAINS, ("\ud800",)),
        (paging.TRAINS, ("a" * 33,)),
        (paging.SECTION_ROWS, (True, "000000")),
        (paging.SECTION_ROWS, (1.0, "000000")),
        (paging.SECTION_ROWS, (float("nan"), "000000")),
        (paging.SECTION_ROWS, (0, "000000")),
        (paging.SECTION_ROWS, (20_001, "000000")),
        (paging.SECTION_ROWS, (2**64, "000000")),
        (paging.SECTION_ROWS, ("1", "000000")),
        (paging.WEBHOOKS, ("0123456789ABCDEF",)),
        (paging.DELIVERIES, (-1, "x")),
        (paging.DELIVERIES, (10**1_500, "x")),
        (paging.DELIVERIES, (253_402_300_800_000, "x")),
        (paging.JOBS, ("kind", "x" * 301)),
        (paging.JOBS, ("kind", "\ud83d")),
    ],
)
def test_a_key_that_the_list_cannot_have_is_refused_even_with_the_right_checksum(
    tokens: PageTokens[Any], key: tuple[Any, ...]
) -> None:
    with invalid("page_token"):
        tokens.decode(tokens.encode(key, *QUESTION), *QUESTION)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "****",
        "token with blanks",
        "\u00e9",
        "\ud800",
        "\0",
        "=",
        "A" * 2_048,
        "A" * 2_049,
        "A" * 5_000,
        *map(made_up, (None, 7, [], {}, "text", True, [[]], {"key": []}, [None], ["", "", "", ""])),
        made_up([None, *RECEIPT_KEY]),
        made_up(["0" * 12, *RECEIPT_KEY]),
        made_up([["deep"], {"$gt": ""}, 7, []]),
        encoded(b"\xff\xfe"),
        encoded(b"[" * 1_500),
        encoded(b'{"a":' * 300),
        encoded(b"[" * 700 + b"]" * 700),
        encoded(b"9" * 1_500),
        encoded(b"[" + b"9" * 1_400 + b",1,1,1]"),
        encoded(b"[1e999,NaN,Infinity,-Infinity]"),
    ],
)
@pytest.mark.parametrize("tokens", [tokens for tokens, _ in KEYS])
def test_an_invented_token_is_refused(tokens: PageTokens[Any], token: str) -> None:
    with invalid("page_token"):
        tokens.decode(token, *QUESTION)


def test_a_token_in_another_encoding_is_refused() -> None:
    token = paging.RECEIPTS.encode(RECEIPT_KEY, *QUESTION)
    checksum, *key = inside(token)
    spaced = encoded(json.dumps([checksum, *key]).encode())
    escaped = encoded(json.dumps([checksum, *key], separators=(",", ":")).replace("e", "\\u0065").encode())
    assert inside(spaced) == inside(escaped) == inside(token)
    for other in (spaced, escaped, f"{token}A", f"{token}=", f"{token}==", token[:-2], f" {token}", f"{token}\n"):
        with invalid("page_token"):
            paging.RECEIPTS.decode(other, *QUESTION)


PARTS: list[Any] = ["", "x", "2026-09-02", "\0", "\ud800", 0, -1, 7, 2**63, 10**400, 1.5, True, None, [], {}, {"$gt": ""}]


def mutated(token: str, random: Random) -> str:
    """Return the token with one letter, byte or part changed."""
    kind = random.randrange(4)
    if kind == 0:
        place = random.randrange(len(token))
        return token[:place] + random.choice("Az09-_=+/ \0é") + token[place + random.randrange(2) :]
    if kind == 1:
        raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        raw[random.randrange(len(raw))] = random.randrange(256)
        return encoded(bytes(raw))
    values = inside(token)
    if kind == 2:
        values[random.randrange(len(values))] = random.choice(PARTS)
    else:
        values.insert(random.randrange(len(values) + 1), random.choice(PARTS))
    return made_up(values)


@pytest.mark.parametrize(("tokens", "key"), KEYS)
def test_a_changed_token_is_refused_and_never_an_internal_error(tokens: PageTokens[Any], key: tuple[str | int, ...]) -> None:
    random, token = seeded_random(8), tokens.encode(key, *QUESTION)
    for _ in range(MUTATIONS):
        changed = mutated(token, random)
        if changed == token:
            continue
        with pytest.raises(InvalidField) as caught:
            tokens.decode(changed, *QUESTION)
        assert caught.value.field == "page_token"
