"""PEM texts for `ssl`, which takes paths alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pem_file(text: str | bytes) -> Iterator[str]:
    """A path under which `text` can be read; in memory where that exists: a key stays off the disk."""
    content = text.encode() if isinstance(text, str) else text
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("tidegate")
        try:
            os.write(number, content)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile("wb") as file:
            file.write(content)
            file.flush()
            yield file.name
