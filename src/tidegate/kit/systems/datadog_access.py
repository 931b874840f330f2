"""The settings by which a trigger says whom of Datadog's it asks: the API of a site, or a Cluster Agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, Duration, declared, deprecated, setting
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.datadog import DatadogQuery, DatadogServer
from tidegate.kit.systems.http import (
    HttpLogin,
    HttpRequest,
    HttpServer,
    bearer,
    header_problem,
    path_of,
    read_url,
)
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)


@declared
class DatadogAccess(Polled):
    """Subclassed by the trigger, which says what is asked."""

    calls: ClassVar[Calls] = DatadogQuery.calls

    is_of_agent: bool = setting("useClusterAgentProxy", doc="Ask the Cluster Agent.", default=False)
    api_key: str = setting("apiKey", doc="Key of the organisation.", default="", sources=_A, secret=True)
    app_key: str = setting("appKey", doc="Key of an application.", default="", sources=_A, secret=True)
    datadog_site: str = setting("datadogSite", doc="Site.", default="datadoghq.com", sources=_A)
    timeout: Duration = setting("timeout", doc="How long an exchange may take.", default=0.0)
    datadog_metric_name: str = setting("datadogMetricName", doc="A DatadogMetric (agent).", default="")
    metric_namespace: str = setting("datadogMetricNamespace", doc="Its namespace (agent).", default="")
    agent_namespace: str = setting(
        "datadogNamespace", doc="Namespace of the agent's Service.", default="", sources=_A
    )
    agent_service: str = setting("datadogMetricsService", doc="The agent's Service.", default="", sources=_A)
    agent_port: int = setting("datadogMetricsServicePort", doc="Its port.", default=8443, sources=_A)
    auth_mode: Literal["bearer", ""] = setting("authMode", doc="Demands a token.", default="", sources=_A)
    token: str = setting("token", doc="Token for the agent.", default="", sources=_A, secret=True)
    unsafe_ssl: bool = setting(
        "unsafeSsl", doc="Accept any certificate of the agent.", default=False, sources=_A
    )
    aggregation: Literal["average", "global", ""] = deprecated(
        "type", message="type has no effect; use metricType", doc="Has no effect.", default=""
    )
    hpa_metric_name: str = setting("hpaMetricName", doc="Has no effect.", default="")

    age: int = setting("age", doc="Length of the window, in seconds.", default=90)
    window_offset: int = setting("timeWindowOffset", doc="How long ago it ends, in seconds.", default=0)
    point_offset: int = setting("lastAvailablePointOffset", doc="Points before the last one.", default=0)
    filler: float | None = setting(
        "metricUnavailableValue", doc="Counts where there is no value.", default=None
    )

    def check(self) -> Iterator[Problem]:
        for name, value in (
            ("age", self.age),
            ("timeWindowOffset", self.window_offset),
            ("lastAvailablePointOffset", self.point_offset),
        ):
            if value < 0:
                yield Problem(name, f"{name} should not be smaller than 0 seconds")
        yield from self._agent_problems() if self.is_of_agent else self._key_problems()
        if self.auth_mode and not self.token:
            yield Problem("token", "token is required when authMode is bearer", "FieldValueRequired")
        if problem := header_problem("Authorization", self.token):
            yield Problem("token", problem)

    def server(self) -> DatadogServer:
        return DatadogServer(
            f"https://api.{self.datadog_site}", self.api_key, self.app_key, self.timeout or None
        )

    def agent_request(self) -> HttpRequest:
        """The metric, as the agent's API of external metrics has it. 422: it has no value."""
        origin = f"https://{self.agent_service}.{self.agent_namespace}:{self.agent_port}"
        login = HttpLogin((bearer(self.token),)) if self.auth_mode else HttpLogin()
        tls = Tls(is_verified=not self.unsafe_ssl)
        name = path_of(f"datadogmetric@{self.metric_namespace}:{self.datadog_metric_name}")
        return HttpRequest(
            HttpServer(origin, login, tls, self.timeout or None, "Datadog Cluster Agent"),
            f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{path_of(self.metric_namespace)}/{name}",
            none_at=(422,),
            attempted="read the metric",
        )

    def _agent_problems(self) -> Iterator[Problem]:
        for name, text in (
            ("datadogMetricsService", self.agent_service),
            ("datadogMetricName", self.datadog_metric_name),
            ("datadogNamespace", self.agent_namespace),
            ("datadogMetricNamespace", self.metric_namespace),
        ):
            if not text:
                yield Problem(name, f"no {name} given", "FieldValueRequired")
            elif any(sign in text for sign in "/:@?#% "):
                yield Problem(name, "its value is no name of Kubernetes")
        if not 0 < self.agent_port < 65536:
            yield Problem("datadogMetricsServicePort", "its value is no port")

    def _key_problems(self) -> Iterator[Problem]:
        for name, text in (("appKey", self.app_key), ("apiKey", self.api_key)):
            if not text:
                yield Problem(name, f"no {name} given", "FieldValueRequired")
            elif problem := header_problem("DD-API-KEY", text):
                yield Problem(name, problem)
        try:
            url = read_url(f"https://api.{self.datadog_site}")
        except ValueError as error:
            yield Problem("datadogSite", f"with api. before it, it {error}")
        else:
            if url.path.strip("/") or url.query or url.username:
                yield Problem("datadogSite", "its value is no site (such as datadoghq.eu)")
