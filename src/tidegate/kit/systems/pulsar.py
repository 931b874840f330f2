"""Pulsar's admin API: the settings of its login, and how statistics of topics are asked for and read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.picking.gjson import Json
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, path_of

PERSISTENT = "persistent://"

_AM = (AUTHENTICATION, METADATA)
_METHODS = {"bearer": "token", "basic": "basic", "tls": "tls"}

# Only counts are wanted; brokers pass over parameters that they do not know.
_LEAN = (("excludePublishers", "true"), ("excludeConsumers", "true"))


@declared
class PulsarAccess(HttpAccess):
    """KEDA's `authModes`, with what Pulsar's triggers have beside them."""

    product: ClassVar[str] = "Pulsar"

    admin_url: str = setting(
        "adminURL", doc="Base URL of the admin API.", sources=(METADATA, ENVIRONMENT), hidden=True
    )
    tls_word: str = setting(
        "tls", doc="`enable` beside `cert` and `key`: the older form of mode `tls`.", default=""
    )
    oauth_token_uri: str = setting(
        "oauthTokenURI", doc="Where tokens are fetched, for `oauth`.", default="", sources=_AM
    )
    client_id: str = setting("clientID", doc="Client, for `oauth`.", default="", sources=_AM)
    scopes: tuple[str, ...] = setting("scopes", "scope", doc="Scopes to ask for.", default=(), sources=_AM)
    endpoint_params: str = setting(
        "endpointParams",
        "EndpointParams",
        doc="Further parameters of the token request, as a query string.",
        default="",
        sources=_AM,
        secret=True,
    )

    def __post_init__(self) -> None:
        if self.tls_word == "enable" and (self.cert or self.key) and "tls" not in self.auth_modes:
            object.__setattr__(self, "auth_modes", (*self.auth_modes, "tls"))
        HttpAccess.__post_init__(self)

    def address(self) -> tuple[str, str]:
        return "adminURL", self.admin_url

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        """The login, and beside it which kind it is: brokers may have several."""
        login = HttpAccess.login(self, given)
        word = next((word for mode, word in _METHODS.items() if mode in self.auth_modes), "")
        told = (("X-Pulsar-Auth-Method-Name", word),) if word else ()
        return HttpLogin((*login.headers, *told), login.query, login.oauth)

    def notices(self) -> Iterator[Problem]:
        if self.tls_word == "enable" and not (self.cert or self.key):
            yield Problem("tls", "does nothing without cert and key in the authentication")
        if "oauth" in self.auth_modes and not self.client_secret and "tls" not in self.auth_modes:
            yield Problem("clientSecret", "is not given: the token is asked for without a secret")

    def statistics(self, topic: str, *, is_partitioned: bool) -> HttpQuestion:
        """The statistics of a topic, or of all partitions of one together; None where it is not found."""
        page = "partitioned-stats" if is_partitioned else "stats"
        more = (("perPartition", "false"),) if is_partitioned else ()
        request = HttpRequest(
            self.server(),
            f"{self.base()}/admin/v2/persistent/{path_of(topic.removeprefix(PERSISTENT))}/{page}",
            _LEAN + more,
            accepts=(200,),
            none_at=(404,),
            attempted=f"read the {page} of {topic}",
        )
        return HttpQuestion(request, Json())


def topic_problem(topic: str) -> str:
    """Why a topic has no backlog to be asked for; "" where it may have."""
    if topic.startswith("non-persistent://"):
        return "a non-persistent topic keeps no messages, so it has no backlog"
    parts = topic.removeprefix(PERSISTENT).split("/")
    is_whole = len(parts) >= 3 and all(parts) and "://" not in topic.removeprefix(PERSISTENT)
    return "" if is_whole else f'"{topic}" is not of the form persistent://tenant/namespace/topic'


def backlog(statistics: Any, subscription: str, question: HttpQuestion) -> int:
    """Messages that the subscription has not acknowledged. Malformed where the answer does not say."""
    subscriptions = statistics.get("subscriptions") if isinstance(statistics, dict) else None
    found = subscriptions.get(subscription) if isinstance(subscriptions, dict) else None
    if isinstance(found, dict):
        return count(found.get("msgBacklog"), question)
    answer, step = "the answer holds no subscriptions", "check `adminURL`: what answers there is no Pulsar"
    if statistics is None:
        answer, step = "404, the topic is not found", "check `adminURL`, `topic` and `isPartitionedTopic`"
    elif isinstance(subscriptions, dict):
        answer = f"have not subscription found! {subscription}"
        step = "make the subscription with the topic: a workload at zero makes none"
    raise Malformed(question.request.title(), on=question.server.label(), answer=answer, next_step=step)
