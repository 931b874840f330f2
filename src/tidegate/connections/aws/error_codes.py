"""The codes by which AWS tells what is wrong: the service's own words, never ours or a secret."""

from __future__ import annotations

import re
from typing import Any

from tidegate.connections.http.answer import Response

_CODE = re.compile(r"[A-Za-z][A-Za-z.]{1,79}")
EXPIRED = re.compile(r"ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId")
"""Keys that are too old, or not known any more: an identity gets others."""


def error_code(response: Response, body: Any) -> str:
    """The service's code for it, "" where there is none: `QueueDoesNotExist`."""
    told = body.get("__type") if isinstance(body, dict) else ""
    text = told if isinstance(told, str) and told else response.headers.get("X-Amzn-ErrorType", "")
    code = text.rpartition("#")[2].partition(":")[0]
    return code if _CODE.fullmatch(code) else ""
