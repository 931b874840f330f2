"""Names that Kubernetes or KEDA prescribe the shape of."""

from __future__ import annotations

import hashlib
import re

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_NORMALIZED = str.maketrans("/.:%()", "------")

# Letters and digits that cannot spell words, as Kubernetes uses for generated names.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def normalize(text: str) -> str:
    """`text` as metric names carry it: each of `/ . : % ( )` becomes `-`, nothing else changes."""
    return text.translate(_NORMALIZED)


def job_name(name: str, uid: str, round: int, ordinal: int) -> str:
    """The name of one Job of a round: the same for the same owner, round and ordinal, else another.

    A DNS label of at most 63 characters: `name` cut to 52, then `-` and 10 characters of a hash.
    """
    return _hashed(name, f"{uid}/{round}/{ordinal}")


def task_name(name: str, uid: str, message: str, attempt: int) -> str:
    """The name of the Job of one message and attempt, as that of a Job of a round."""
    return _hashed(name, f"{uid}/claimed/{message}/{attempt}")


def _hashed(name: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode()).digest()
    number = int.from_bytes(digest[:12], "big")
    letters = []
    for _ in range(10):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return f"{name.replace('.', '-')[:52].rstrip('-')}-{''.join(letters)}"


def is_dns_label(text: str) -> bool:
    """Whether `text` is an RFC 1123 label: lower case letters, digits and `-`, at most 63."""
    return len(text) <= 63 and _LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether `text` is an RFC 1123 subdomain: labels joined by dots, at most 253 characters."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Whether `text` may be the value of a Kubernetes label (the empty text may)."""
    return len(text) <= 63 and _LABEL_VALUE.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Whether `text` may be the key of a label or annotation: an optional DNS prefix, `/`, a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_dns_subdomain(prefix):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None
