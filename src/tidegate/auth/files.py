"""Parameter files of ClusterTriggerAuthentications (`spec.filePath`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured

FILE_BYTES = 1024 * 1024


def file_reader(root: str) -> Callable[[str], dict[str, str]]:
    """A function that reads the parameters of one file below `root`.

    A file is a JSON object of texts, at most 1 MiB. The path must be relative and must not climb.
    """

    def read(path: str) -> dict[str, str]:
        attempted = f'read filePath "{path}"'
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in path or not path:
            raise Misconfigured(
                attempted, answer="filePath must be relative and not contain '..'", next_step="correct it"
            )
        try:
            with (Path(root) / parts).open("rb") as file:
                raw = file.read(FILE_BYTES + 1)
        except OSError as error:
            step = "mount the file below the root path, readable for the operator"
            raise Denied(attempted, answer=error.strerror or type(error).__name__, next_step=step) from error
        if len(raw) > FILE_BYTES:
            raise Malformed(attempted, answer="the file is larger than 1 MiB")
        try:
            return msgspec.json.decode(raw, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's own words stay out: what it quotes may be a secret.
            step = 'write an object of texts, such as {"password": "…"}'
            raise Malformed(attempted, answer="it is not a JSON object of texts", next_step=step) from None

    return read
