"""Signature Version 4 as AWS describes it, to check what was signed with: none of the code under test.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit


@dataclass(frozen=True)
class Signed:
    """A request as it came. `headers` by their names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


def signature(
    signed: Signed, secret: str, scope: str, moment: str, names: Sequence[str], payload: str = ""
) -> str:
    """`scope` is date/region/service/aws4_request, `names` the headers that are covered, `payload` the hash
    of the body where it is not that of `signed.body`."""
    parts = urlsplit(signed.url)
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    ]
    canonical = "\n".join(
        (
            signed.method,
            parts.path or "/",
            "&".join(f"{name}={value}" for name, value in sorted(pairs)),
            *(f"{name}:{' '.join(signed.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            payload or hashlib.sha256(signed.body).hexdigest(),
        )
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashed))
    key = f"AWS4{secret}".encode()
    for one in scope.split("/"):
        key = hmac.new(key, one.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def is_signed_with(signed: Signed, secret: str, service: str, region: str) -> bool:
    """Whether its Authorization header is right, for that service and region."""
    words = dict(
        word.strip().split("=", 1)
        for word in signed.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
    )
    scope = words["Credential"].partition("/")[2]
    names = words["SignedHeaders"].split(";")
    payload = signed.headers.get("x-amz-content-sha256", "")
    expected = signature(signed, secret, scope, signed.headers["x-amz-date"], names, payload)
    return words["Signature"] == expected and scope.split("/")[1:3] == [region, service]


def key_id(signed: Signed) -> str:
    """The access key that it names."""
    return signed.headers["authorization"].partition("Credential=")[2].partition("/")[0]
