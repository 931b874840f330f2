"""Answers what triggers ask of Kubernetes itself, from watches: how many pods match, which endpoints a
Service has, what an object keeps.

Of each pod the watch keeps only what counting needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from tidegate.auth.lookup import Lookup, Reader, named
from tidegate.auth.scope import Options
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.base.selectors import parse_selector
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.kubernetes import Endpoint, PodCount, ServiceEndpoints, StoredValue
from tidegate.kube.caching.caches import Cache
from tidegate.kube.resource import CONFIG_MAPS, ENDPOINT_SLICES, PODS, SECRETS
from tidegate.operator.cluster.informers import Informers, PodMark, SliceMark

ENDED = ("Succeeded", "Failed")
LARGE_CHARACTERS = 256 * 1024
"""A longer text is read in a thread: other rounds go on."""

SERVICE_NAME = "kubernetes.io/service-name"
"""The label by which a slice says whose it is."""

KINDS = {"ConfigMap": CONFIG_MAPS, "Secret": SECRETS}


class KubernetesAnswers:
    """Answers every question to Kubernetes. A watch begins with the first question that needs it."""

    def __init__(self, informers: Informers, options: Options) -> None:
        self.informers = informers
        self.options = options

    async def answer(self, question: Any) -> Any:
        """Waits for the first list: before that nobody knows, and nobody may say zero; nor may anybody
        while the watch is lost.
        """
        if isinstance(question, StoredValue):
            await self.informers.cache(KINDS[question.kind]).settled()
            return await stored_value(self.informers, question, self.options)
        if isinstance(question, PodCount):
            await self.informers.cache(PODS).settled()
            pods: Cache[PodMark] = self.informers.checked(PODS, question.namespace)
            return counted(pods.list(question.namespace), question)
        if isinstance(question, ServiceEndpoints):
            await self.informers.cache(ENDPOINT_SLICES).settled()
            slices = self.informers.checked(ENDPOINT_SLICES, question.namespace)
            return endpoints(slices.list(question.namespace), question)
        raise unknown(question)


def unknown(question: Any) -> TidegateError:
    return Unsupported(f"answer {type(question).__name__}", on="the Kubernetes API")


def counted(pods: Iterable[PodMark], question: PodCount) -> int:
    """How many of the namespace's pods are meant."""
    selector = parse_selector(question.selector)
    found = [pod for pod in pods if pod.phase not in ENDED and selector.matches(pod.metadata.labels or {})]
    if question.is_grouped_by_node:
        return len({pod.spec.node_name for pod in found if pod.spec.node_name})
    return len(found)


def endpoints(slices: Iterable[SliceMark], question: ServiceEndpoints) -> tuple[Endpoint, ...]:
    """The ready endpoints of the namespace's slices that are the Service's."""
    found: dict[str, Endpoint] = {}
    for one in slices:
        if (one.metadata.labels or {}).get(SERVICE_NAME) != question.service:
            continue
        ports = tuple(port.port for port in one.ports or () if port.port)
        for endpoint in one.endpoints or ():
            if endpoint.is_ready:
                for address in endpoint.addresses or ():
                    found.setdefault(address, Endpoint(address, ports))
    return tuple(found.values())


async def stored_value(lookup: Lookup, question: StoredValue, options: Options) -> Any:
    """What the question's pick finds; None where it finds nothing. Errors name the object and the key."""
    resource, namespace = KINDS[question.kind], question.namespace
    where, attempted = named(resource, namespace, question.name), f'read key "{question.key}"'
    is_elsewhere = namespace != options.cluster_namespace
    if resource == SECRETS and options.is_secret_access_restricted and is_elsewhere:
        answer = f"Secrets are read in namespace {options.cluster_namespace} alone"
        raise Denied(attempted, on=where, answer=answer, next_step="keep the number in a ConfigMap")
    texts = Reader(lookup).values(resource, namespace, question.name)
    if texts is None or question.key not in texts:
        answer = "there is no such object" if texts is None else "it has no such key"
        raise Misconfigured(attempted, on=where, answer=answer, next_step="create it, or correct the trigger")
    text = texts[question.key]
    if isinstance(text, TidegateError):
        raise text
    try:
        if len(text) > LARGE_CHARACTERS:
            return await asyncio.to_thread(_picked, question, text)
        return _picked(question, text)
    except Unpicked as error:
        raise Malformed(attempted, on=where, answer=str(error)) from None


def _picked(question: StoredValue, text: str) -> Any:
    return question.pick.of(question.pick.read(text.encode()))
