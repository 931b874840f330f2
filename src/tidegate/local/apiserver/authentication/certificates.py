"""Our own certificate authority and the server's certificate, made once and renewed in time.

`tls/ca.crt`, `tls/ca.key`, `tls/server.crt` and `tls/server.key` in the data directory. The authority
outlives the server certificate, so what trusts it (kubeconfigs, pods) stays valid when the latter is
renewed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tidegate.base.errors import Malformed
from tidegate.local.apiserver.authentication.private_files import ensure_private_dir, write_private
from tidegate.runtime.certificates import (
    CERTIFICATE_VALIDITY,
    KeyPair,
    Subject,
    authority_fault,
    certificate_fault,
    new_authority,
    new_certificate,
    read_certificates,
)

RENEW_BEFORE = timedelta(days=30)


def authority_pem(data_dir: Path, now: datetime) -> bytes:
    """The certificate that clients and pods trust; made where there is none."""
    return _authority(tls_folder(data_dir), now).certificate


def ensure_server_certificate(data_dir: Path, names: tuple[str, ...], now: datetime) -> tuple[Path, Path]:
    """Certificate and key of the server for `names`; made, or renewed before they expire, where needed."""
    folder = tls_folder(data_dir)
    authority = _authority(folder, now)
    if not _is_good(_kept_pair(folder, "server"), authority, names, now):
        made = new_certificate(
            authority, names, now, subject=Subject("tidegate"), uses=("server",), form="ec"
        )
        _write_pair(folder, "server", made)
    return folder / "server.crt", folder / "server.key"


def tls_folder(data_dir: Path) -> Path:
    """Where all keys stand; for its owner alone."""
    ensure_private_dir(data_dir)
    folder = data_dir / "tls"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _authority(folder: Path, now: datetime) -> KeyPair:
    """The authority that is kept, or a new one where it is damaged or would not outlive a certificate."""
    kept = _kept_pair(folder, "ca")
    if kept is not None and not authority_fault(kept, now, CERTIFICATE_VALIDITY + RENEW_BEFORE):
        return kept
    made = new_authority(Subject("tidegate local authority"), now, "ec")
    _write_pair(folder, "ca", made)
    return made


def _is_good(kept: KeyPair | None, authority: KeyPair, names: tuple[str, ...], now: datetime) -> bool:
    """Whether the pair on disk belongs together, is ours, names all `names` and lasts a while."""
    if kept is None:
        return False
    try:
        issuers = read_certificates(authority.certificate)
    except Malformed:
        return False
    return not certificate_fault(kept, issuers, names, now, RENEW_BEFORE)


def _kept_pair(folder: Path, stem: str) -> KeyPair | None:
    try:
        return KeyPair((folder / f"{stem}.crt").read_bytes(), (folder / f"{stem}.key").read_bytes())
    except OSError:
        return None


def _write_pair(folder: Path, stem: str, pair: KeyPair) -> None:
    write_private(folder / f"{stem}.key", pair.key)
    write_private(folder / f"{stem}.crt", pair.certificate)
