"""What is agreed on in TLS between the programs, with the variables that manifests for KEDA give."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from tidegate.runtime.certificate_files import TlsRules
from tidegate.runtime.settings import Kind, own

VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
# Those of TLS 1.2, in Go's words and in OpenSSL's. Source: https://www.iana.org/assignments/tls-parameters/
CIPHERS = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
# TLS 1.3 has no choice of these in either library.
ALWAYS = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def _version(text: str) -> ssl.TLSVersion | None:
    if not text:
        return None
    if text not in VERSIONS:
        raise ValueError
    return VERSIONS[text]


def _ciphers(text: str) -> tuple[str, ...]:
    names = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in names if one not in CIPHERS and one not in ALWAYS]
    if unknown:
        raise ValueError(f"has {', '.join(unknown)}, which is no cipher suite that is known here")
    return tuple(CIPHERS[one] for one in names if one in CIPHERS)


VERSION = Kind("TLS10, TLS11, TLS12 or TLS13", _version)
SUITES = Kind(
    "a comma-separated list of cipher suites, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", _ciphers
)
_EMPTY = "empty counts as unset, and what is no version ends the program (KEDA takes TLS13 for both)"


@dataclass(frozen=True)
class TlsSettings:
    """What every program says of TLS between the programs."""

    http_tls_version: ssl.TLSVersion | None = own(
        VERSION,
        "TLS12",
        variable="KEDA_HTTP_MIN_TLS_VERSION",
        about="the least version of TLS",
    )
    http_tls_ciphers: tuple[str, ...] = own(
        SUITES,
        variable="KEDA_HTTP_TLS_CIPHER_LIST",
        about="the cipher suites of TLS 1.2; empty: the library's",
    )
    service_tls_version: ssl.TLSVersion | None = own(
        VERSION,
        variable="KEDA_SERVICE_MIN_TLS_VERSION",
        about="the least version of TLS between the programs and for webhooks; by default the one above",
        fate="other",
        difference=_EMPTY,
    )
    service_tls_ciphers: tuple[str, ...] = own(
        SUITES,
        variable="KEDA_SERVICE_TLS_CIPHER_LIST",
        about="their cipher suites; by default those above",
    )


def service_rules(settings: TlsSettings) -> TlsRules:
    """For what the programs listen with, and for their connections to each other."""
    version = settings.service_tls_version or settings.http_tls_version or ssl.TLSVersion.TLSv1_2
    return TlsRules(version, ":".join(settings.service_tls_ciphers or settings.http_tls_ciphers))
