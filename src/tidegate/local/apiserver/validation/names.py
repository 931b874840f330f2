"""What is wrong with a name, a key or a value of a label, in the words that the API server has for it. Pure.

Source: what kube-apiserver 1.35 answers (`k8s.io/apimachinery/pkg/util/validation` has the rules).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SEARCH = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PORT = re.compile(r"[-a-z0-9]+")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
LABEL_MAX, SUBDOMAIN_MAX, PORT_MAX = 63, 253, 15
ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def _shape(what: str, examples: tuple[str, ...], pattern: re.Pattern[str]) -> str:
    listed = ",  or ".join(f"'{one}'" for one in examples)
    return f"{what} (e.g. {listed}, regex used for validation is '{pattern.pattern}')"


_ENDS = "and must start and end with an alphanumeric character"
_LOWER = "must consist of lower case alphanumeric characters"
LABEL = _shape(
    f"a lowercase RFC 1123 label {_LOWER} or '-', {_ENDS}", ("my-name", "123-abc"), _LABEL
)  # fmt: skip
LABEL_1035 = _shape(
    f"a DNS-1035 label {_LOWER} or '-', start with an alphabetic character, and end with an alphanumeric "
    "character",
    ("my-name", "abc-123"),
    _LABEL_1035,
)
SUBDOMAIN = _shape(
    f"a lowercase RFC 1123 subdomain {_LOWER}, '-' or '.', {_ENDS}", ("example.com",), _SUBDOMAIN
)
SEARCH = _shape(
    f"a lowercase RFC 1123 subdomain {_LOWER}, '_', '-' or '.', {_ENDS}", ("example.com",), _SEARCH
)
_MIXED = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
QUALIFIED = _shape(f"name part {_MIXED}", ("MyName", "my.name", "123-abc"), _QUALIFIED)
VALUE = _shape(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " + _ENDS,
    ("MyValue", "my_value", "12345"),
    _VALUE,
)
KEY = _shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ("key.name", "KEY_NAME", "key-name"),
    _KEY,
)


def _checked(text: str, pattern: re.Pattern[str], most: int, told: str) -> Iterator[str]:
    if len(text) > most:
        yield f"must be no more than {most} characters"
    if not pattern.fullmatch(text):
        yield told


def label(text: str) -> Iterator[str]:
    told = "must not contain dots" if _SUBDOMAIN.fullmatch(text) else LABEL
    yield from _checked(text, _LABEL, LABEL_MAX, told)


def label_1035(text: str) -> Iterator[str]:
    yield from _checked(text, _LABEL_1035, LABEL_MAX, LABEL_1035)


def subdomain(text: str) -> Iterator[str]:
    yield from _checked(text, _SUBDOMAIN, SUBDOMAIN_MAX, SUBDOMAIN)


def search(text: str) -> Iterator[str]:
    """A domain that a resolver appends."""
    yield from _checked(text.removesuffix("."), _SEARCH, SUBDOMAIN_MAX, SEARCH)


def qualified(text: str) -> Iterator[str]:
    """A key of a label or annotation: an optional subdomain, `/`, a name."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        yield f"a valid qualified name {_shape(_MIXED, ('MyName', 'my.name', '123-abc'), _QUALIFIED)[5:]}"
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {told}" for told in subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    if len(name) > LABEL_MAX:
        yield f"name part must be no more than {LABEL_MAX} characters"
    if not _QUALIFIED.fullmatch(name):
        yield QUALIFIED


def value(text: str) -> Iterator[str]:
    """A value of a label."""
    yield from _checked(text, _VALUE, LABEL_MAX, VALUE)


def port_name(text: str) -> Iterator[str]:
    if len(text) > PORT_MAX:
        yield f"must be no more than {PORT_MAX} characters"
    if not _PORT.fullmatch(text):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", text):
        yield "must contain at least one letter (a-z)"
    if "--" in text:
        yield "must not contain consecutive hyphens"
    if text.startswith("-") or text.endswith("-"):
        yield "must not begin or end with a hyphen"


def content_key(text: str) -> Iterator[str]:
    """A key of a ConfigMap or Secret, which may become a file's name."""
    yield from _checked(text, _KEY, SUBDOMAIN_MAX, KEY)
    if text == ".":
        yield "must not be '.'"
    elif text == "..":
        yield "must not be '..'"
    elif text.startswith(".."):
        yield "must not start with '..'"


def address(text: str) -> Iterator[str]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield ADDRESS
