"""A folder `ca.crt`, `tls.crt`, `tls.key` as TLS contexts that take new files without a restart.

The folder is usually a mounted Secret, whose files change all at once when its link `..data` is put
elsewhere; plain files are taken too, once the three of them fit. Trust is what the present `ca.crt` says and
nothing else: not the machine's authorities, and no former one of ours.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.base.errors import Malformed, Misconfigured
from tidegate.runtime.certificates import KeyPair, pair_fault, read_certificates
from tidegate.runtime.clock import Clock
from tidegate.runtime.pem_file import pem_file

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often the folder is looked at. A kubelet needs about a minute to bring a Secret's change."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the three files hold. `authorities` is empty where there is no `ca.crt`."""

    authorities: bytes
    pair: KeyPair

    @classmethod
    def checked(cls, authorities: bytes, certificate: bytes, key: bytes) -> Material:
        """Malformed where the three cannot be used together."""
        pair = KeyPair(certificate, key)
        if fault := pair_fault(pair):
            raise Malformed("use the certificate tls.crt with tls.key", answer=fault)
        if authorities:
            read_certificates(authorities)
        return cls(authorities, pair)


@dataclass(frozen=True, slots=True)
class TlsRules:
    """What is agreed on besides certificates. `ciphers` in OpenSSL's names, those of TLS 1.2."""

    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str = ""


@dataclass
class Certificates:
    """The material that counts now, and contexts that follow it.

    A context for listening is given once and serves every later connection by what counts then; one for a
    client is asked for at each new connection.
    """

    rules: TlsRules = field(default_factory=TlsRules)
    material: Material | None = None
    _server: ssl.SSLContext | None = None
    _client: ssl.SSLContext | None = None
    _changed_s: float = 0.0
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, material: Material) -> bool:
        """Whether it was news. Raises Malformed, and nothing changes, where OpenSSL refuses it."""
        if material == self.material:
            return False
        server, client = self._context(material, is_server=True), self._context(material, is_server=False)
        if self.material is not None:
            self._changed_s = time.time()
        self._server, self._client, self.material = server, client, material
        self._taken.set()
        return True

    async def taken(self) -> None:
        """Returns as soon as there is material."""
        await self._taken.wait()

    def listening_context(self, *, asks_client: bool) -> ssl.SSLContext:
        """For `site = TCPSite(…, ssl_context=…)`. With `asks_client` a client may show a certificate, and one
        that it shows must come from our authority; whether it showed one says `getpeercert()`.
        """
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._agree(outer)
        # A ticket would bring along what an authority of former times vouched for.
        outer.num_tickets = 0
        outer.options |= ssl.OP_NO_TICKET
        if asks_client:
            outer.verify_mode = ssl.CERT_OPTIONAL

        def choose(connection: ssl.SSLObject, name: str | None, outer: ssl.SSLContext) -> int | None:
            if self._server is None:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            if connection.session_reused and self._is_of_former_times(connection.session):
                return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
            connection.context = self._server
            return None

        outer.sni_callback = choose
        return outer

    def _is_of_former_times(self, session: ssl.SSLSession | None) -> bool:
        """TLS 1.2 keeps sessions without tickets too, by OpenSSL's clock in whole seconds."""
        return session is None or session.time <= self._changed_s

    def client_context(self) -> ssl.SSLContext:
        """For a connection that begins now. Misconfigured where nothing is known that could be trusted."""
        if self._client is None or self.material is None or not self.material.authorities:
            raise Misconfigured(
                "trust a server",
                answer="there is no ca.crt",
                next_step="wait until the operator has made the Secret, or put the file there",
            )
        return self._client

    def _context(self, material: Material, *, is_server: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
        self._agree(context)
        if is_server:
            # Whether a client is asked, the listening context says; this lets its certificate be read.
            context.verify_mode = ssl.CERT_OPTIONAL
        try:
            if material.authorities:
                context.load_verify_locations(cadata=material.authorities.decode())
            with pem_file(material.pair.certificate) as certificate, pem_file(material.pair.key) as key:
                # A password is always given: without one OpenSSL would ask for it on the terminal.
                context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            answer = str(reason).replace("_", " ").lower()
            raise Malformed("use the certificate tls.crt with tls.key", answer=answer) from error
        return context

    def _agree(self, context: ssl.SSLContext) -> None:
        context.minimum_version = self.rules.minimum_version
        if self.rules.ciphers:
            context.set_ciphers(self.rules.ciphers)


def read_folder(folder: Path) -> Material:
    """What the folder holds now. Misconfigured names a missing file, Malformed says what does not fit."""
    # Through the link once: otherwise the Secret could be exchanged between two files.
    present = folder / "..data"
    place = present.resolve() if present.exists() else folder
    certificate, key = read_file(place / "tls.crt"), read_file(place / "tls.key")
    authorities = read_file(place / "ca.crt") if (place / "ca.crt").exists() else b""
    try:
        return Material.checked(authorities, certificate, key)
    except Malformed as error:
        raise Malformed(error.attempted, on=str(folder), answer=error.answer) from error


async def follow_folder(folder: Path, certificates: Certificates, clock: Clock) -> None:
    """Takes what the folder holds and each change of it, until cancelled.

    What cannot be used is told once, and what was there before stays in use. What came from elsewhere
    meanwhile stays, too, until the folder holds something new.
    """
    told, before = "", None
    while True:
        try:
            found = read_folder(folder)
            if found != before and certificates.take(found):
                log.info("certificates taken", extra={"folder": str(folder)})
            told, before = "", found
        except (Malformed, Misconfigured) as error:
            if str(error) != told:
                told = str(error)
                state = "those from before stay in use" if certificates.material else "waiting for others"
                log.warning("certificates not taken: %s", state, extra={"reason": told})
        await clock.sleep(LOOK_S)


def read_file(path: Path) -> bytes:
    """Its content; Misconfigured names it and says why there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            "read a certificate's file", on=str(path), answer=error.strerror or type(error).__name__
        ) from error
