"""Bytes as JSON and YAML carry them: base64 as Go reads it, line breaks in it being no part of it.

Source: Go, `encoding/base64`: "new line characters (\\r and \\n) are ignored".
"""

from __future__ import annotations

import base64


def to_bytes(text: str) -> bytes:
    """The bytes of a base64 text, which may be wrapped over lines. ValueError when it is none."""
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        # The text may be a secret: it is not shown.
        raise ValueError("is not base64") from None


def to_text(value: bytes) -> str:
    """Base64 in one line."""
    return base64.b64encode(value).decode()
