"""People, how their addresses are compared, and what a caller may do.

Belongs here: persons, address keys, roles, permissions. Does not belong here: how a caller is authenticated
(`app/rpc/authentication.py`).
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

from app.domain.refusals import Reason, Refusal
from app.domain.text import comparison_form, fold_case
from app.domain.values import value

# Cached keys of addresses outside ASCII; each takes microseconds to compute.
_KEYS_CACHED = 8_192
_FULL_STOPS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))  # what IDNA takes for a dot
_KEPT_IN_DOMAINS = {"\u00df": "\u00df", "\u1e9e": "\u00df", "\u03c2": "\u03c2"}  # letters of their own since IDNA 2008
# Letters that case folding takes for others and `str.lower`, by which addresses were compared at first, did not: the micro sign
# and Greek letters as symbols. Final sigma stands at the ends of words.
_UNFOLDED = {"\u03bc": "\u00b5", "\u03b2": "\u03d0", "\u03b8": "\u03d1", "\u03c6": "\u03d5", "\u03c0": "\u03d6"}
_UNFOLDED |= {"\u03ba": "\u03f0", "\u03c1": "\u03f1", "\u03b5": "\u03f5"}
_FINAL_SIGMA = re.compile(r"\u03c3(?!\w)")


class Role(StrEnum):
    """What a caller may be besides a passenger."""

    OPERATOR = "operator"


def email_key(email: str) -> str:
    """Return the form in which addresses are compared: the local part by `fold_case`, the domain as in DNS ("xn--..." labels).

    "+" and "." count. RFC 5321 leaves case in the local part to the receiving host, but no host in use tells two people apart
    by it. The domain follows IDNA 2008 for every address that the edge accepts (a test holds this function against the package
    `idna`): "a@bücher.example" and "a@xn--bcher-kva.example" are one address, and "ß" is not "ss".
    """
    return email.strip().lower() if email.isascii() else _international_key(email.strip())


def email_keys(email: str) -> tuple[str, ...]:
    """Return all forms under which an address may be stored: the present one first, then those of earlier versions.

    Earlier versions composed characters, used `str.lower`, and stored domains as they were sent. An ASCII address has one form,
    an internationalised one two, a Greek one at most 38.
    """
    key = email_key(email)
    local, _, domain = key.rpartition("@")
    if key.isascii() and email.isascii() and "xn--" not in domain:
        return (key,)
    folded = [local, *(local.replace(letter, other) for letter, other in _UNFOLDED.items() if letter in local)]
    spellings = [*folded, *(_FINAL_SIGMA.sub("\u03c2", spelling) for spelling in folded)]
    older = [f"{spelling}@{host}" for host in (domain, _unicode_domain(domain)) for spelling in spellings]
    return tuple(dict.fromkeys([key, unicodedata.normalize("NFC", email.strip()).lower(), *older]))


@lru_cache(maxsize=_KEYS_CACHED)
def _international_key(email: str) -> str:
    local, at, domain = email.rpartition("@")
    local = unicodedata.normalize("NFC", fold_case(unicodedata.normalize("NFC", local)))
    return f"{local}{at}{domain_key(domain)}"


def domain_key(domain: str) -> str:
    """Return the form in which domains are compared: lower case, "xn--" labels. Does not check the domain."""
    text = unicodedata.normalize("NFC", "".join(map(_domain_character, domain.translate(_FULL_STOPS))))
    return ".".join(map(_dns_label, text.split(".")))


def _domain_character(character: str) -> str:
    """Map one character of a domain as IDNA does (UTS 46, non-transitional), sharp s and final sigma excepted."""
    if character in _KEPT_IN_DOMAINS:
        return _KEPT_IN_DOMAINS[character]
    plain = unicodedata.normalize("NFKC", character).casefold()
    return unicodedata.normalize("NFKC", plain)


def _dns_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def _unicode_domain(domain: str) -> str:
    return ".".join(map(_unicode_label, domain.split(".")))


def _unicode_label(label: str) -> str:
    try:
        return label[4:].encode().decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:
        return label


@value(frozen=True, slots=True)
class Person:
    """A name and an address, both as sent. The names are empty where they are not known."""

    first_name: str
    last_name: str
    email: str

    @property
    def key(self) -> str:
        """The address as compared."""
        return email_key(self.email)


@value(frozen=True, slots=True)
class StoredUser:
    """A person who registered. `version` counts the changes, from 1."""

    person: Person
    version: int = 1

    @property
    def etag(self) -> str:
        """A text that differs after every change."""
        return str(self.version)


def same_names(one: Person, other: Person) -> bool:
    """Whether two people have the same names. Case, blanks and encoding do not count."""
    return comparison_form(one.first_name) == comparison_form(other.first_name) and comparison_form(
        one.last_name
    ) == comparison_form(other.last_name)


def renamed(user: StoredUser, person: Person, fields: frozenset[str], etag: str = "") -> StoredUser:
    """Return the user with the `fields` (of first_name, last_name) of `person`; the same value where nothing changes.

    Refuses ETAG_STALE where the etag is not that of the newest version.
    """
    if etag and etag != user.etag:
        raise Refusal(Reason.ETAG_STALE, "the user has changed since that etag; read it again")
    old = user.person
    new = Person(
        person.first_name if "first_name" in fields else old.first_name,
        person.last_name if "last_name" in fields else old.last_name,
        old.email,
    )
    return user if new == old else StoredUser(new, user.version + 1)


@value(frozen=True, slots=True)
class Caller:
    """Who makes a request. `email` is None for an anonymous caller. `trace_parent` is the call's W3C trace context."""

    email: str | None = None
    roles: frozenset[Role] = frozenset()
    trace_parent: str = ""

    @property
    def key(self) -> str | None:
        """The address as compared."""
        return None if self.email is None else email_key(self.email)

    @property
    def is_operator(self) -> bool:
        """Whether the caller has the role of an operator."""
        return Role.OPERATOR in self.roles


def require_identified(caller: Caller) -> str:
    """Return the caller's address as sent. Refuses CREDENTIALS_MISSING to an anonymous caller."""
    if caller.email is None:
        # The metadata's name belongs to `app/rpc/authentication.py`, but the text has to say how to send an address.
        raise Refusal(
            Reason.CREDENTIALS_MISSING,
            "this call needs a caller: send your address in metadata x-seatline-user, or in UTF-8 as x-seatline-user-bin",
        )
    return caller.email


def require_operator(caller: Caller) -> None:
    """Refuse everybody but operators."""
    require_identified(caller)
    if not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "only operators may do this")


def require_self_or_operator(caller: Caller, email: str) -> None:
    """Refuse everybody but the person with that address and operators."""
    require_identified(caller)
    if caller.key != email_key(email) and not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "this is not yours")
