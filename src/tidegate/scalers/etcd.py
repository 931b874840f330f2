"""The number that one etcd key holds.

```yaml
triggers:
- type: etcd
  metadata:
    endpoints: etcd-0.etcd:2379, etcd-1.etcd:2379, etcd-2.etcd:2379
    watchKey: /shop/orders/waiting
    value: "5"
```

One replica is wanted for each `value` of the number. The key must hold nothing but a number: a blank or
a line end beside it (from `echo`, say) is an error, and so is a key that is not there.

With logins and TLS:

```yaml
triggers:
- type: etcd
  metadata:
    endpoints: etcd.secure:2379
    watchKey: waiting
    value: "5"
  authenticationRef:
    name: etcd
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: etcd
spec:
  secretTargetRef:
  - {parameter: username, name: etcd, key: username}
  - {parameter: password, name: etcd, key: password}
  - {parameter: tls, name: etcd, key: tls}
  - {parameter: ca, name: etcd, key: ca.crt}
```

Keys are read over the members' JSON gateway (on by default, on the client port), many at once; the
members are tried in order when one does not answer. Keys are watched, too, and read at once when they
change. A few keys share a stream, and a cluster gets 64 streams at most: with more keys than that (some
300) the rest is only polled. Where nothing is heard of a stream for twice `watchProgressNotifyInterval`,
which is the server's own setting, it is opened anew.

Source: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.addresses import is_address
from tidegate.base.errors import Malformed
from tidegate.base.literals import parse_go_float
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import of_kind
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.etcd import EtcdChanges, EtcdServer, EtcdValue
from tidegate.kit.systems.http import read_url
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)
_AE = (AUTHENTICATION, ENVIRONMENT)


@declared
class EtcdKey(Pushed):
    types: ClassVar[tuple[str, ...]] = ("etcd",)
    cost: ClassVar[str] = (
        "one request for 128 keys of a cluster; a stream that stays open for a few keys, 64 at most"
    )
    calls: ClassVar[Calls] = EtcdValue.calls
    tested_against: ClassVar[str] = "etcd 3.4.23 and 3.7.3 (real)"

    endpoints: tuple[str, ...] = setting("endpoints", doc="Members: `host:port` or URLs.")
    watch_key: str = setting("watchKey", doc="Key whose number is read.")
    value: float = target("value", doc="What one replica should carry.")
    activation_value: float = activation("activationValue", doc="Active above this number.")
    watch_progress_notify_interval: int = setting(
        "watchProgressNotifyInterval", doc="Seconds between the server's signs of life.", default=600
    )
    username: str = setting("username", doc="User.", default="", sources=_AE)
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    tls: Literal["enable", "disable"] = setting("tls", doc="Speak TLS.", default="disable", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting("keyPassword", doc="Its password.", default="", sources=_A, secret=True)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)

    def check(self) -> Iterator[Problem]:
        for number, endpoint in enumerate(self.endpoints, 1):
            if not _is_member(endpoint):
                shown = f"endpoint {number}" if "@" in endpoint else f'"{endpoint}"'
                yield Problem("endpoints", f"{shown} is neither host:port nor an http(s) URL")
        if self.watch_progress_notify_interval <= 0:
            yield Problem("watchProgressNotifyInterval", "watchProgressNotifyInterval must be greater than 0")
        if self.tls == "enable" and bool(self.cert) != bool(self.key):
            missing, given = ("key", "cert") if self.cert else ("cert", "key")
            yield Problem(missing, f"{missing} must be provided with {given}", "FieldValueRequired")
        if bool(self.username) != bool(self.password):
            missing, given = ("password", "username") if self.username else ("username", "password")
            yield Problem(missing, f"{missing} must be provided with {given}", "FieldValueRequired")

    def metric_name(self) -> str:
        return normalize(f"etcd-{self.watch_key}")

    def server(self) -> EtcdServer:
        members = tuple(_origin(one, self.tls == "enable") for one in self.endpoints)
        has_tls = any(member.startswith("https:") for member in members)
        tls = Tls(self.ca, self.cert, self.key, self.key_password) if self.tls == "enable" else Tls()
        return EtcdServer(members, self.username, self.password, tls if has_tls else None)

    def watch(self) -> EtcdChanges:
        return EtcdChanges(self.server(), self.watch_key, float(self.watch_progress_notify_interval))

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = EtcdValue(self.server(), self.watch_key)
        held = of_kind(await ask(question), bytes, question)
        try:
            return parse_go_float(held.decode("ascii", errors="replace"))
        except ValueError as error:
            step = "put nothing but a number there"
            text = f"its value {error}"
            on = question.server.label()
            raise Malformed(f"read the key {self.watch_key}", on=on, answer=text, next_step=step) from error


def _origin(endpoint: str, has_tls: bool) -> str:
    if "://" in endpoint:
        return read_url(endpoint).origin
    return f"{'https' if has_tls else 'http'}://{endpoint}"


def _is_member(endpoint: str) -> bool:
    if "://" not in endpoint:
        return is_address(endpoint)
    try:
        url = read_url(endpoint)
    except ValueError:
        return False
    return not (url.username or url.password)
