"""The site over TLS: what comes in that is no review, and what an answer looks like."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

import aiohttp
import pytest

from parts.tls_parts import Maker, held, trusting
from tidegate.admission.counters import Counters
from tidegate.admission.judging import Judging
from tidegate.admission.site import BODY_BYTES, serving
from tidegate.admission.webhooks import WEBHOOKS, configuration
from tidegate.admission.workloads import Seen
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.review.judge import Verdict

NAME = "keda-admission-webhooks.keda.svc"
PATH = "/validate-keda-sh-v1alpha1-scaledobject"
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {"uid": "u", "operation": "CREATE", "object": {"kind": "Other"}},
}


class Nobody:
    lacks: ClassVar[list[str]] = []

    async def synced(self) -> None:
        return

    def problems(self, object: ScaledObject) -> list[Problem]:
        return []

    async def look(self, object: ScaledObject) -> Seen:
        return Seen()


def defect(new: Any, old: Any) -> Verdict:
    raise ValueError("a defect")


def nothing(new: Any, old: Any) -> Verdict:
    return Verdict()


@asynccontextmanager
async def asked(judge: Any = nothing) -> AsyncIterator[Any]:
    """`post(path, …)` to a site of its own."""
    maker = Maker()
    context = held(maker.trust, maker.pair(NAME)).listening_context(asks_client=False)
    counters = Counters()
    judging = Judging(judge, Nobody(), Nobody(), counters)
    async with (
        serving(judging, counters, context, "127.0.0.1", 0) as served,
        aiohttp.ClientSession(f"https://127.0.0.1:{served.port}") as session,
    ):
        post = partial(session.post, ssl=trusting(maker.trust), server_hostname=NAME)
        yield post, counters


@pytest.mark.parametrize("webhook", WEBHOOKS, ids=lambda one: one.kind)
async def test_every_path_that_is_registered_answers(webhook: Any) -> None:
    async with asked() as (post, _), post(webhook.path, json=REVIEW) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert (await answer.json())["response"] == {"uid": "u", "allowed": True}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"no json", 400, "it is not JSON"),
        (b"{}", 400, "Object missing required field `apiVersion`"),
        (b"x" * (BODY_BYTES + 1), 413, "Maximum request body size"),
    ],
)
async def test_what_is_no_review_is_refused_and_the_next_is_answered(
    body: bytes, status: int, said: str
) -> None:
    async with asked() as (post, _):
        async with post(PATH, data=io.BytesIO(body)) as answer:
            assert answer.status == status
            assert (await answer.text()).startswith(said)
        async with post(PATH, json=REVIEW) as answer:
            assert answer.status == 200


async def test_a_defect_of_ours_is_no_verdict(caplog: pytest.LogCaptureFixture) -> None:
    async with asked(defect) as (post, counters), post(PATH, json=REVIEW) as answer:
        assert answer.status == 500
        assert "ValueError" not in await answer.text()
        told = {one.family.name: one.samples for one in await counters.gather()}
        assert told["tidegate_webhook_unjudged_total"] == {(): 1.0}
    assert "not judged" in caplog.text


async def test_many_questions_at_once_are_all_answered() -> None:
    async def one(post: Any) -> int:
        async with post(PATH, json=REVIEW) as answer:
            return int(answer.status)

    async with asked() as (post, _):
        assert await asyncio.gather(*(one(post) for _ in range(50))) == [200] * 50


def test_the_registration_is_kedas() -> None:
    registered = configuration(authorities=b"PEM")
    assert registered["metadata"]["name"] == "keda-admission"
    names = [one["name"] for one in registered["webhooks"]]
    assert names == [
        "vscaledobject.kb.io",
        "vscaledjob.kb.io",
        "vtriggerauthentication.kb.io",
        "vclustertriggerauthentication.kb.io",
        "vcloudeventsource.kb.io",
        "vclustercloudeventsource.kb.io",
    ]
    first = registered["webhooks"][0]
    assert first["clientConfig"]["service"] == {
        "name": "keda-admission-webhooks",
        "namespace": "keda",
        "path": "/validate-keda-sh-v1alpha1-scaledobject",
        "port": 443,
    }
    assert first["clientConfig"]["caBundle"] == "UEVN"
    assert (first["failurePolicy"], first["timeoutSeconds"]) == ("Ignore", 10)
    paths = [one["clientConfig"]["service"]["path"] for one in registered["webhooks"]]
    assert paths[-1] == "/validate-eventing-keda-sh-v1alpha1-clustercloudeventsource"
