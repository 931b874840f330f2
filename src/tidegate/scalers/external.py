"""A number that a server of your own tells, by KEDA's external scaler protocol (gRPC).

```yaml
triggers:
- type: external
  metadata:
    scalerAddress: my-scaler.shop:9090
    queue: orders
```

The server says which metrics it has, with their targets, what they are now, and whether the trigger is
active; an external scaler that was written for KEDA works as it is. All metadata goes to the server, under
the same keys; a key such as `tokenFromEnv` goes with the variable's value. Parameters of a
TriggerAuthentication never leave: only `caCert`, `tlsClientCert` and `tlsClientKey` are used, for TLS.

With `external-push` the server may also push: the trigger is then measured at once, outside of its
polling interval. Whether a push is still true is asked, and a push that got lost costs one interval:

```yaml
triggers:
- type: external-push
  metadata:
    scalerAddress: my-scaler.shop:9090
    queue: orders
```

A metric without any value is a failure, and so are a list without metrics and a target of 0 or less.
A server that is away makes its triggers unknown; the HPA keeps the metrics that it last told of.

Source: https://keda.sh/docs/latest/concepts/external-scalers/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.core.values import MetricSpec
from tidegate.kit.question import Ask, Question
from tidegate.kit.scaler import Described, Measured, Passing, Pushed
from tidegate.kit.settings import AUTHENTICATION, declared, setting
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.external import (
    Caller,
    ExternalActivity,
    ExternalPushes,
    ExternalServer,
    ExternalSpecs,
    ExternalValue,
)
from tidegate.kit.tls import Tls


@declared
class External(Passing, Described):
    types: ClassVar[tuple[str, ...]] = ("external",)
    cost: ClassVar[str] = "two calls a trigger and one for each of its metrics, all on one HTTP/2 connection"
    calls: ClassVar[Calls] = Calls(each=2, more="one for each metric")
    tested_against: ClassVar[str] = "a gRPC server of the tests' own, which is what users run too"

    scaler_address: str = setting("scalerAddress", doc="The server: `host:port`, or another gRPC target.")
    enable_tls: bool = setting("enableTLS", doc="Speak TLS.", default=False)
    unsafe_ssl: bool = setting(
        "unsafeSsl", doc="Accept any certificate that has not expired; does not switch on TLS.", default=False
    )
    ca_cert: str = setting(
        "caCert", doc="CA certificates (PEM); switches on TLS.", default="", sources=(AUTHENTICATION,)
    )
    tls_client_cert: str = setting(
        "tlsClientCert", doc="Client certificate (PEM).", default="", sources=(AUTHENTICATION,)
    )
    tls_client_key: str = setting(
        "tlsClientKey", doc="Client key (PEM).", default="", sources=(AUTHENTICATION,), secret=True
    )

    def notices(self) -> Iterator[Problem]:
        if bool(self.tls_client_cert) != bool(self.tls_client_key):
            name = "tlsClientCert" if self.tls_client_cert else "tlsClientKey"
            yield Problem(name, "a client certificate is used only with both tlsClientCert and tlsClientKey")
        if self.unsafe_ssl and self.server().tls is None:
            yield Problem("unsafeSsl", "does nothing without TLS; enableTLS or caCert switches it on")

    def summary(self) -> str:
        return self.scaler_address

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        server, caller = self.server(), self.caller()
        question = ExternalSpecs(server, caller)
        specs = _specs(await ask(question), question)
        values = (ExternalValue(server, caller, one.name) for one in specs)
        activity = ExternalActivity(server, caller)
        *numbers, is_active = await ask.all(*values, activity)
        if not isinstance(is_active, bool):
            raise _strange(is_active, activity)
        return Measured(tuple(numbers), is_active, specs)

    def server(self) -> ExternalServer:
        has_pair = bool(self.tls_client_cert and self.tls_client_key)
        if not (self.enable_tls or self.ca_cert or has_pair):
            return ExternalServer(self.scaler_address)
        pair = (self.tls_client_cert, self.tls_client_key) if has_pair else ("", "")
        return ExternalServer(self.scaler_address, Tls(self.ca_cert, *pair, is_verified=not self.unsafe_ssl))

    def caller(self) -> Caller:
        return Caller(self.scope.namespace, self.scope.name, self.passed)


@declared
class ExternalPush(External, Pushed):
    types: ClassVar[tuple[str, ...]] = ("external-push",)
    cost: ClassVar[str] = (
        "as `external`, and two streams a trigger that stay open; a connection carries at most 90 of them"
    )

    def watch(self) -> Question:
        return ExternalPushes(self.server(), self.caller())


def _specs(answer: Any, question: Question) -> tuple[MetricSpec, ...]:
    if isinstance(answer, tuple) and answer and all(isinstance(one, MetricSpec) for one in answer):
        return answer
    raise _strange(answer, question)


def _strange(answer: Any, question: Question) -> Malformed:
    return Malformed(
        f"read the answer to {type(question).__name__}",
        on=question.server.label(),
        answer=f"a {type(answer).__name__}",
        next_step="this is a defect of the connection",
    )
