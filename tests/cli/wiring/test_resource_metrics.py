"""What `kubectl top` is told of pods and the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.cli.wiring.local.resource_metrics import ResourceMetrics
from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.paths import parse_path
from tidegate.local.nodes.pod_usage import PodUse, Use, Uses

ROOT = "/apis/metrics.k8s.io/v1beta1"
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
USES = Uses(
    Use(1.5, 3 * 1024**3),
    (
        PodUse("shop", "web", {"app": "web"}, {"a": Use(0.25, 2048), "b": Use(0.0, 0)}),
        PodUse("shop", "work", {}, {"w": Use(1e-6, 1024)}),
        PodUse("other", "web", {"app": "web"}, {"a": Use(0.0, 1024)}),
    ),
    2.0,
)


class Measured:
    """A node that has just looked."""

    class clock:
        now = staticmethod(lambda: NOW)

    async def uses(self) -> Uses:
        return USES


async def asked(path: str, **query: str) -> Any:
    parsed = parse_path(ROOT + path)
    assert parsed is not None
    return await ResourceMetrics(Measured()).answer(parsed, query)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/pods", {}, ["shop/web", "shop/work", "other/web"]),
        ("/namespaces/shop/pods", {}, ["shop/web", "shop/work"]),
        ("/pods", {"labelSelector": "app=web"}, ["shop/web", "other/web"]),
        ("/namespaces/shop/pods", {"fieldSelector": "metadata.name=work"}, ["shop/work"]),
        ("/namespaces/none/pods", {}, []),
    ],
)
async def test_which_pods_are_told_of(path: str, query: dict[str, str], names: list[str]) -> None:
    found = await asked(path, **query)
    assert (found["kind"], found["apiVersion"]) == ("PodMetricsList", "metrics.k8s.io/v1beta1")
    metas = [one["metadata"] for one in found["items"]]
    assert [f"{meta['namespace']}/{meta['name']}" for meta in metas] == names


async def test_one_pod_and_its_containers() -> None:
    assert await asked("/namespaces/shop/pods/web") == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "web", "namespace": "shop", "creationTimestamp": "2026-01-05T08:00:00Z",
            "labels": {"app": "web"},
        },
        "timestamp": "2026-01-05T08:00:00Z",
        "window": "2.000s",
        "containers": [
            {"name": "a", "usage": {"cpu": "250000000n", "memory": "2Ki"}},
            {"name": "b", "usage": {"cpu": "0n", "memory": "0Ki"}},
        ],
    }  # fmt: skip


async def test_the_node() -> None:
    found = await asked("/nodes")
    assert [one["usage"] for one in found["items"]] == [{"cpu": "1500000000n", "memory": "3145728Ki"}]
    assert (await asked("/nodes/local"))["kind"] == "NodeMetrics"


@pytest.mark.parametrize(
    ("path", "code"), [("/namespaces/shop/pods/none", 404), ("/nodes/none", 404), ("/services", 404)]
)
async def test_what_is_not_there(path: str, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        await asked(path)
    assert refused.value.code == code


async def test_a_selector_that_is_none() -> None:
    with pytest.raises(ApiError) as refused:
        await asked("/pods", labelSelector="a===b")
    assert refused.value.code == 400
