"""gRPC channels, and what comes back from them as one of the five errors.

gRPC resolves names itself and spreads its calls over the addresses; a name that only local mode knows is
dialled by its address, and stays the name that a certificate is checked for.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from typing import TYPE_CHECKING

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.tls import client_context, with_roots
from tidegate.kit.tls import Tls

if TYPE_CHECKING:
    import grpc

REASON_LENGTH = 100
_NOT_DIALLED = re.compile(
    r"(?:failed to connect to all addresses|connections to all backends failing); last error: "
    r"(?:[A-Z_]+: )?(?:ipv[46]:[^ ]*: )?(?:Failed to connect to remote host: )?"
)
"""What gRPC puts before the reason why no connection came about, which alone is worth telling."""

_DIAL = "check that the server runs, that host and port are right, and whether it wants TLS"
REPLY_BYTES = 4 * 1024 * 1024
DEFAULT_PORT = 443

# Servers close connections that are pinged more often than every five minutes, unless told otherwise.
_KEEPALIVE_MS = 310_000
_ROUND_ROBIN = '{"loadBalancingConfig": [{"round_robin": {}}]}'


def quiet() -> None:
    """Called before gRPC is imported: its own log repeats what we say, and pods are forked beside it."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


async def open_channel(
    address: str, tls: Tls | None, surroundings: Surroundings, *, on: str, tls_name: str = ""
) -> grpc.aio.Channel:
    """A channel with a connection of its own to `host:port`, `dns:///host:port` or `unix:/path`.

    It dials with the first call; only a certificate that is not to be verified is fetched here. Misconfigured
    names a TLS parameter that cannot be read, or says that the address may not be dialled; Unreachable: no
    certificate could be had, or the name has no address. `on` is the server in errors; a certificate is
    checked for `tls_name` where that is given.
    """
    import grpc

    host, port = _host_and_port(address, on)
    target, dialled = address, ""
    if host:
        addresses = await dialable(surroundings, host, port)
        target, dialled = _target(addresses, port), addresses[0]
    elif not surroundings.policy.is_open:
        answer = "only host:port may be asked here"
        raise Misconfigured("connect", on=on, answer=answer)
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", _ROUND_ROBIN),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.max_receive_message_length", REPLY_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
    ]
    ca, name = tls.ca if tls is not None else "", tls_name or host
    if surroundings.tls.authorities and not ca:
        ca = await asyncio.to_thread(with_roots, "", surroundings.tls)
    if tls is not None:
        await asyncio.to_thread(client_context, tls, surroundings.tls)
        if not tls.is_verified and host:
            ca, name = await _presented(dialled, port, surroundings.timeout_s)
    if name:
        options.append(("grpc.default_authority", _joined(name, port)))
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    key = await asyncio.to_thread(_unlocked, tls)
    credentials = grpc.ssl_channel_credentials(ca.encode() or None, key or None, tls.cert.encode() or None)
    return grpc.aio.secure_channel(target, credentials, options=options)


def told(
    error: grpc.aio.AioRpcError, attempted: str, on: str, timeout_s: float, *, secrets: tuple[str, ...] = ()
) -> TidegateError:
    """What a failed call means: by its status, with the server's own reason cut short.

    A reason that repeats one of `secrets`, which the call carried, is left out.
    """
    from grpc import StatusCode

    code = error.code()
    if code == StatusCode.DEADLINE_EXCEEDED:
        return Unreachable(attempted, on=on, answer=f"no answer within {timeout_s:g} s")
    details = error.details() or ""
    if any(secret in details for secret in secrets):
        details = ""
    cause = _NOT_DIALLED.sub("no connection: ", details, count=1)
    reason = "".join(sign if sign.isprintable() else " " for sign in cause)[:REASON_LENGTH]
    answer = f"{code.name}: {reason}" if reason else code.name
    if code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
        return Denied(attempted, on=on, answer=answer)
    if code == StatusCode.UNIMPLEMENTED:
        return Unsupported(attempted, on=on, answer=answer)
    if code in (StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.FAILED_PRECONDITION):
        return Misconfigured(attempted, on=on, answer=answer, next_step="correct the trigger's metadata")
    if code in (StatusCode.DATA_LOSS, StatusCode.OUT_OF_RANGE):
        return Malformed(attempted, on=on, answer=answer)
    return Unreachable(attempted, on=on, answer=answer, next_step=_DIAL if cause != details else "")


def _unlocked(tls: Tls) -> bytes:
    """The client's key as gRPC wants it: it cannot be given a password."""
    if not tls.key_password:
        return tls.key.encode()
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(tls.key.encode(), tls.key_password.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _host_and_port(address: str, on: str) -> tuple[str, int]:
    """Of an address that names a host; an empty host for other schemes, which gRPC reads itself."""
    text = address.removeprefix("dns:///")
    if text.startswith(("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")):
        return "", 0
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        return text.strip("[]"), DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise Misconfigured("connect", on=on, answer="its port is not a number")
    return host.strip("[]"), int(port)


def _target(addresses: tuple[str, ...], port: int) -> str:
    """What gRPC dials: one name or address, or all addresses of a family, by turns."""
    if len(addresses) == 1:
        return _joined(addresses[0], port)
    family = [one for one in addresses if ":" not in one] or list(addresses)
    scheme = "ipv6" if ":" in family[0] else "ipv4"
    return f"{scheme}:{','.join(_joined(one, port) for one in family)}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _presented(host: str, port: int, timeout_s: float) -> tuple[str, str]:
    """The certificate that a server shows, and a name in it: gRPC itself cannot be told to accept any."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port, ssl=_accepting())
            shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
            raw = shown.getpeercert(binary_form=True) or b""
            writer.transport.abort()
    except (OSError, TimeoutError) as error:
        answer = str(error) or f"no answer within {timeout_s:g} s"
        raise Unreachable("fetch the certificate", on=f"{host}:{port}", answer=answer) from error
    return ssl.DER_cert_to_PEM_cert(raw), await asyncio.to_thread(_name_in, raw, host)


def _accepting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _name_in(raw: bytes, otherwise: str) -> str:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(raw)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        called = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(called[0].value) if called else otherwise
    found = [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)]
    return str(found[0]).replace("*", "any") if found else otherwise
