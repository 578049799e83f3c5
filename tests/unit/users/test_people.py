"""Which addresses belong to one person, and under which forms an address may be stored."""

import idna
import pytest

from app.domain.people import Caller, Person, StoredUser, domain_key, email_key, email_keys, renamed, same_names
from app.domain.refusals import Reason, Refusal


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("jane@example.com", " JANE@Example.COM\t"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@bücher.example", "A@XN--BCHER-KVA.EXAMPLE"),
        ("a@bücher.example", "a@BÜCHER.example"),
        ("a@bücher.example", "a@bu\u0308cher.example"),
        ("a@bücher.example", "a@bücher。example"),
        ("a@bücher.example", "a@ｂüｃｈｅｒ．ｅｘａｍｐｌｅ"),
        ("a@example.com", "a@ｅxample.com"),
        ("a@straße.example", "a@STRAẞE.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("γιώργος@example.gr", "ΓΙΏΡΓΟΣ@example.gr"),
        ("γιώργος@παράδειγμα.gr", "γιώργοσ@xn--hxajbheg2az3al.gr"),
        ("zoë@example.com", "ZOE\u0308@example.com"),
        ("µ@example.com", "μ@example.com"),
        ("ольга@пример.рф", "ОЛЬГА@xn--e1afmkfd.xn--p1ai"),
        ("a@xn--e1afmkfd.рф", "a@пример.xn--p1ai"),
    ],
)
def test_one_address_is_one_person_however_it_is_spelled(left: str, right: str) -> None:
    assert email_key(left) == email_key(right)
    assert Caller(left).key == Caller(right).key


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a@straße.example", "a@strasse.example"),
        ("weiß@example.com", "weiss@example.com"),
        ("a@βόλος.com", "a@βόλοσ.com"),  # final sigma is a letter of its own in a domain
        ("jane+rail@example.com", "jane@example.com"),
        ("ja.ne@example.com", "jane@example.com"),
        ("ｊane@example.com", "jane@example.com"),
        ("zoe@example.com", "zoë@example.com"),
        ("ı@example.com", "i@example.com"),
        ("İ@example.com", "i@example.com"),
    ],
)
def test_other_letters_are_another_person(left: str, right: str) -> None:
    assert email_key(left) != email_key(right)


@pytest.mark.parametrize(
    "domain",
    [
        "Bücher.Example",
        "faß.de",
        "FAẞ.de",
        "βόλος.com",
        "ΒΌΛΟΣ.com",
        "İstanbul.com",
        "例子。广告",
        "ﬁ.com",
        "ſ.com",
        "xn--fa-hia.de",
    ],
)
def test_a_domain_is_compared_as_dns_has_it(domain: str) -> None:
    assert domain_key(domain) == idna.encode(domain, uts46=True).decode().lower()


@pytest.mark.parametrize(
    "address", ["Jane@Example.com", "a@BÜCHER.example", "ΓΙΏΡΓΟΣ@example.gr", "a@xn--bcher-kva.example", "ß@x.de"]
)
def test_the_compared_form_is_compared_as_itself(address: str) -> None:
    assert email_key(email_key(address)) == email_key(address)


def test_an_ordinary_address_is_stored_under_one_form() -> None:
    assert email_keys(" Jane@Example.com ") == ("jane@example.com",)


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("a@xn--bcher-kva.example", "a@bücher.example"),
        ("A@BÜCHER.example", "a@bücher.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("νίκος.παππάς@example.gr", "νίκος.παππάς@example.gr"),
        ("ΝΊΚΟΣ.ΠΑΠΠΆΣ@example.gr", "νίκος.παππάς@example.gr"),
        ("νίκοσ.παππάσ@example.gr", "νίκος.παππάς@example.gr"),
        ("γιώργος@xn--hxajbheg2az3al.gr", "γιώργος@παράδειγμα.gr"),
        ("μ@example.com", "µ@example.com"),
        ("İ@example.com", "i̇@example.com"),
        ("ẞ@example.com", "ß@example.com"),
        ("a@ｅxample.com", "a@ｅxample.com"),
    ],
)
def test_forms_of_earlier_versions_are_searched_too(asked: str, stored: str) -> None:
    assert stored in email_keys(asked)
    assert email_keys(asked)[0] == email_key(asked)


def test_the_forms_of_one_address_are_few() -> None:
    assert len(email_keys(f"{'βθφπκρεσ' * 8}@παράδειγμα.gr")) <= 38


@pytest.mark.parametrize("domain", ["xn--", "xn--a-", "xn--\x80", "xn--99999999999", "", ".", "..", "a..b", "xn--ß"])
def test_an_invalid_domain_is_compared_without_an_error(domain: str) -> None:
    assert email_keys(f"ä@{domain}")


# -- people who registered


def test_a_correction_changes_the_fields_that_it_names_and_is_counted() -> None:
    user = StoredUser(Person("Jnae", "Doe", "jane@example.com"))
    changed = renamed(user, Person("Jane", "", ""), frozenset({"first_name"}), user.etag)
    assert changed == StoredUser(Person("Jane", "Doe", "jane@example.com"), 2)
    assert changed.etag != user.etag
    assert renamed(changed, Person("Jane", "Doe", ""), frozenset({"first_name", "last_name"})) is changed


def test_a_correction_of_a_user_who_has_changed_since_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        renamed(StoredUser(Person("Jane", "Doe", "jane@example.com"), 2), Person("J", "", ""), frozenset({"first_name"}), "1")
    assert caught.value.reason is Reason.ETAG_STALE


@pytest.mark.parametrize(
    ("first_name", "last_name", "is_same"),
    [("ZOE\u0308", " van  dyk", True), ("Zoe", "Van Dyk", False), ("Zoë Van", "Dyk", False), ("Zo\u200dë", "Van Dyk", True)],
)
def test_a_name_is_the_same_in_any_spelling(first_name: str, last_name: str, is_same: bool) -> None:
    assert same_names(Person("Zoë", "Van Dyk", "a@x.com"), Person(first_name, last_name, "b@x.com")) is is_same
