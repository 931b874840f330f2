"""Certificate authorities of the administrator's, from the folders of `--ca-dir`."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def authorities(folders: Iterable[str]) -> str:
    """The certificates of their files as one PEM text. A folder that is not there has none; a file that
    cannot be read is told, and left out.

    Files whose names begin with ".." are left out: a volume keeps its former content there.
    """
    found: list[str] = []
    for folder in folders:
        try:
            files = sorted(one for one in Path(folder).iterdir() if not one.name.startswith(".."))
        except OSError:
            continue
        for file in files:
            if not file.is_file():
                continue
            try:
                found += _certificates(file)
            except (OSError, ValueError) as error:
                log.warning("authority not read", extra={"file": str(file), "failure": _words(error)})
    return "\n".join(dict.fromkeys(found))


def _certificates(file: Path) -> list[str]:
    found: list[str] = CERTIFICATE.findall(file.read_text())
    if not found:
        raise ValueError("it holds no certificate in PEM form")
    for one in found:
        ssl.create_default_context(cadata=one)
    return found


def _words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "a certificate in it cannot be read"
    return getattr(error, "strerror", None) or str(error)
