"""Huawei Cloud Eye: a metric of one dimension, and how requests are signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

from tidegate.kit.systems.calls import Calls

_ALGORITHM = "SDK-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class CloudEyeServer:
    """Cloud Eye of a region and a project, and a pair of keys."""

    system: ClassVar[str] = "huawei"

    origin: str
    project: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def label(self) -> str:
        return f"Huawei Cloud Eye {self.origin}"


@dataclass(frozen=True, slots=True)
class CloudEyeMetric:
    """The newest value of a metric in the last `window_s` seconds, rolled up over `period` seconds."""

    calls: ClassVar[Calls] = Calls(together=500, alike=("window_s", "period", "rollup"))

    server: CloudEyeServer
    namespace: str
    metric: str
    dimension: tuple[str, str]
    window_s: int
    period: str
    rollup: str


def signed(
    method: str, url: str, body: bytes, keys: tuple[str, str], now: datetime, headers: Mapping[str, str]
) -> dict[str, str]:
    """The headers that prove who asks; `headers` are those that are sent, and signed, beside the host's.

    Source: https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
    """
    access_key, secret_key = keys
    parts = urlsplit(url)
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    sent = {name.lower(): value.strip() for name, value in headers.items()}
    sent |= {"host": parts.netloc, "x-sdk-date": stamp}
    names = sorted(sent)
    path = "/".join(quote(unquote(part), safe="-_.~") for part in parts.path.split("/"))
    canonical = "\n".join(
        (
            method,
            path if path.endswith("/") else f"{path}/",
            "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            *(f"{name}:{sent[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    text = f"{_ALGORITHM}\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    said = f"{_ALGORITHM} Access={access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {"X-Sdk-Date": stamp, "Authorization": said}
