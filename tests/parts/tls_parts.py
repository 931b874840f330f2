"""Certificates for tests, folders as a kubelet mounts them, and handshakes without a socket."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

from tidegate.runtime.certificate_files import Certificates, Material
from tidegate.runtime.certificates import KeyPair, Subject, new_authority, new_certificate

FILES = ("ca.crt", "tls.crt", "tls.key")


class Maker:
    """An authority with what it signs, valid today."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.authority = new_authority(Subject("KEDA", "KEDAORG"), self.now, "ec")
        self.trust = self.authority.certificate

    def pair(self, *names: str) -> KeyPair:
        return new_certificate(self.authority, names, self.now, form="ec")


def write(folder: Path, trust: bytes, pair: KeyPair) -> None:
    """Plain files, one after the other."""
    for name, content in zip(FILES, (trust, pair.certificate, pair.key), strict=True):
        (folder / name).write_bytes(content)


def mount(folder: Path, trust: bytes, pair: KeyPair) -> None:
    """As a kubelet does it: a folder of its own, then the link `..data` put there in one step."""
    place = folder / f"..{len(list(folder.iterdir()))}"
    place.mkdir()
    write(place, trust, pair)
    (folder / "..data_tmp").symlink_to(place.name)
    (folder / "..data_tmp").replace(folder / "..data")
    for name in FILES:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(os.path.join("..data", name))


def held(trust: bytes, pair: KeyPair) -> Certificates:
    """Certificates that have taken these."""
    made = Certificates()
    made.take(Material(trust, pair))
    return made


def trusting(authorities: bytes) -> ssl.SSLContext:
    """A client without a certificate of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authorities.decode())
    return context


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """(client's side, server's side) of a connection whose handshake is done; raises what either refused."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    open_sides = [asking, serving]
    for _ in range(20):
        for side in list(open_sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_sides.remove(side)
        if not open_sides:
            return asking, serving
    raise AssertionError("the handshake does not end")
