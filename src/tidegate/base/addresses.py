"""Network addresses as users write them: `host:port`."""

from __future__ import annotations


def split_address(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of `host:port`. ValueError when it is none."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 host needs brackets")
    if not colon or not host or any(sign in host for sign in "/@[] \t"):
        raise ValueError("is not host:port")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError("its port is not a number from 1 to 65535")
    return host, int(port)


def is_address(address: str) -> bool:
    """Whether `split_address` can read it."""
    try:
        split_address(address)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """The host as it stands before a port: an IPv6 one in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def with_port(address: str, port: int) -> str:
    """`address`, with `port` where it names none."""
    if is_address(address):
        return address
    return f"{address if address.count(':') == 1 else bracketed(address)}:{port}"
