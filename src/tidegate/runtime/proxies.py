"""Which HTTP proxy a URL is asked through, by the variables that everybody knows.

`HTTP_PROXY` and `HTTPS_PROXY` name a proxy for URLs of their scheme, `NO_PROXY` the hosts that are asked
directly: `example.org` (with what is below it), `.example.org` (below it alone), an address, a network, each
perhaps with a port, or `*`. The own machine is never asked through a proxy. Lower-case names count too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def environment_proxy(environment: Mapping[str, str]) -> Callable[[str], str]:
    """For each URL the proxy's, "" for none. Read once."""
    proxies = {scheme: _with_scheme(_variable(environment, f"{scheme}_proxy")) for scheme in _PORTS}
    direct = tuple(
        one.strip().lower() for one in _variable(environment, "no_proxy").split(",") if one.strip()
    )

    def proxy_of(url: str) -> str:
        parts = urlsplit(url)
        proxy = proxies.get(parts.scheme, "")
        host = (parts.hostname or "").rstrip(".")
        if not proxy or _is_own(host):
            return ""
        port = parts.port or _PORTS[parts.scheme]
        return "" if any(_is_named(host, port, one) for one in direct) else proxy

    return proxy_of


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name.upper()) or environment.get(name) or "").strip()


def _with_scheme(proxy: str) -> str:
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _is_own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_named(host: str, port: int, entry: str) -> bool:
    """Whether an entry of `NO_PROXY` means this host and port."""
    if entry == "*":
        return True
    name, separator, wanted = entry.rpartition(":")
    if separator and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted[:6]) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        bare = entry.removeprefix("*").lstrip(".")
        is_below = host.endswith(f".{bare}")
        return is_below or (host == bare and not entry.startswith((".", "*")))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
