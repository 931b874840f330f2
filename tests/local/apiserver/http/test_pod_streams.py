"""Logs and exec as clients read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from parts.served import Served
from tidegate.kube.resource import PODS
from tidegate.local.streams import LogOptions

POD = "/api/v1/namespaces/default/pods/p"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"


@pytest.fixture
async def pod(served: Served) -> Served:
    containers = [{"name": "c", "image": "i"}]
    await served.plane.objects.create(
        PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": containers}}
    )
    return served


@pytest.fixture
async def twins(served: Served) -> Served:
    spec = {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}
    await served.plane.objects.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    return served


async def test_a_log_is_plain_text(pod: Served) -> None:
    status, raw, response = await pod.call("GET", f"{POD}/log")
    assert (status, raw, response.content_type) == (200, b"default/p/c\none\ntwo\nthree\n", "text/plain")
    assert pod.pods.ended == ["p"]


async def test_every_option_of_a_log_reaches_the_node(pod: Served) -> None:
    await pod.call("GET", f"{POD}/log?tailLines=2&sinceSeconds=60&timestamps=true&limitBytes=9&container=c")
    await pod.call("GET", f"{POD}/log?sinceTime=2026-01-01T00%3A00%3A00Z&timestamps=false")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert pod.pods.asked == [
        LogOptions(tail_lines=2, since_s=60, timestamps=True, limit_bytes=9),
        LogOptions(since_time=moment),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("previous=true", 'previous terminated container "c" in pod "p" not found'),
        ("container=x", "container x is not valid for pod p"),
        ("tailLines=many", "tailLines"),
        ("sinceTime=yesterday", "sinceTime"),
    ],
)
async def test_a_log_that_cannot_be_read_is_a_status(pod: Served, query: str, message: str) -> None:
    status, body, _ = await pod.call("GET", f"{POD}/log?{query}")
    assert (status, body["kind"], message in body["message"]) == (400, "Status", True)


async def test_among_several_containers_one_must_be_named(twins: Served) -> None:
    status, body, _ = await twins.call("GET", f"{POD}/log")
    assert (status, body["message"]) == (
        400,
        "a container name must be specified for pod p, choose one of: [c d]",
    )
    assert (await twins.call("GET", f"{POD}/log?container=d"))[1].startswith(b"default/p/d\n")


async def test_the_log_of_no_pod_is_not_found(served: Served) -> None:
    status, body, _ = await served.call("GET", f"{POD}/log")
    assert (status, body["message"]) == (404, 'pods "p" not found')


async def test_a_followed_log_goes_on_and_is_let_go_when_the_client_leaves(pod: Served) -> None:
    headers = {"Authorization": f"Bearer {pod.token}"}
    url = f"{pod.server.url}{POD}/log?follow=true"
    async with pod.session.get(url, headers=headers) as response:
        assert await response.content.readline() == b"default/p/c\n"
        pod.pods.more.set()
        assert (await response.content.read()).endswith(b"three\nfour\n")
    assert pod.pods.ended == ["p"]
    pod.pods.more.clear()
    async with pod.session.get(url, headers=headers) as response:
        await response.content.readline()
    for _ in range(100):
        if pod.pods.ended == ["p", "p"]:
            break
        await asyncio.sleep(0.02)
    assert pod.pods.ended == ["p", "p"]


async def test_a_log_that_breaks_in_its_middle_is_cut_off_and_not_followed_by_another_answer(
    pod: Served,
) -> None:
    headers = {"Authorization": f"Bearer {pod.token}"}
    pod.pods.is_broken = True
    url = f"{pod.server.url}{POD}/log?follow=true"
    async with pod.session.get(url, headers=headers) as response:
        assert response.status == 200
        pod.pods.more.set()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


async def test_a_log_is_only_read(pod: Served) -> None:
    assert (await pod.call("POST", f"{POD}/log"))[0] == 405


# -- exec ----------------------------------------------------------------------------------------


@asynccontextmanager
async def executing(
    served: Served, *command: str, protocol: str = V5, **flags: int
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    params = [("command", word) for word in command]
    params += [(name, str(value)) for name, value in {"stdout": 1, "stderr": 1, **flags}.items()]
    async with served.session.ws_connect(
        f"{served.server.url}{POD}/exec",
        params=params,
        protocols=(protocol,),
        headers={"Authorization": f"Bearer {served.token}"},
    ) as socket:
        yield socket


async def collected(socket: aiohttp.ClientWebSocketResponse) -> tuple[bytes, bytes, dict[str, Any]]:
    """What came on stdout and stderr, and the Status; the server closes after it."""
    out = {1: b"", 2: b"", 3: b""}
    async with asyncio.timeout(5):
        async for message in socket:
            out[message.data[0]] += message.data[1:]
    return out[1], out[2], msgspec.json.decode(out[3])


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_a_command_that_succeeds(pod: Served, protocol: str) -> None:
    async with executing(pod, "echo", "a", "b c", protocol=protocol) as socket:
        assert socket.protocol == protocol
        stdout, stderr, status = await collected(socket)
    assert (stdout, stderr, status) == (b"a b c\n", b"", {"metadata": {}, "status": "Success"})


async def test_an_exit_code_reaches_the_client(pod: Served) -> None:
    async with executing(pod, "fail", "3") as socket:
        _, stderr, status = await collected(socket)
    assert stderr == b"it broke\n"
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": "3"}]}


async def test_input_ends_when_the_client_closes_its_channel(pod: Served) -> None:
    async with executing(pod, "cat", stdin=1) as socket:
        await socket.send_bytes(b"\x00one ")
        await socket.send_bytes(b"\x00two")
        await socket.send_bytes(b"\x04" + b'{"Width":80,"Height":24}')
        await socket.send_bytes(b"\xff\x00")
        stdout, _, status = await collected(socket)
    assert (stdout, status["status"]) == (b"one two", "Success")


async def test_without_stdin_the_input_is_empty_and_with_a_terminal_there_is_one_output(pod: Served) -> None:
    async with executing(pod, "cat") as socket:
        await socket.send_bytes(b"\x00ignored")
        assert (await collected(socket))[0] == b""
    async with executing(pod, "fail", "1", tty=1) as socket:
        stdout, stderr, _ = await collected(socket)
    assert (stdout, stderr) == (b"it broke\n", b"")


async def test_output_nobody_asked_for_is_not_sent(pod: Served) -> None:
    async with executing(pod, "echo", "a", stdout=0) as socket:
        assert (await collected(socket))[0] == b""


async def test_a_refusal_of_the_node_is_told_in_the_status(pod: Served) -> None:
    async with executing(pod, "refuse") as socket:
        status = (await collected(socket))[2]
    assert (status["code"], status["message"]) == (400, 'container "c" is not running')


async def test_a_client_that_leaves_ends_its_command(pod: Served) -> None:
    async with executing(pod, "wait") as socket:
        assert (await socket.receive_bytes()) == b"\x01waiting\n"
    for _ in range(100):
        if pod.pods.ended:
            break
        await asyncio.sleep(0.02)
    assert pod.pods.ended == ["p"]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{POD}/exec?command=a", 400, "you must specify an upgrade"),
        (f"{POD}/exec", 400, "at least one command"),
        (f"{POD}/exec?command=a&container=x", 400, "container x is not valid"),
        (f"{POD}x/exec?command=a", 404, "not found"),
    ],
)
async def test_an_exec_that_cannot_start_is_a_status(pod: Served, path: str, code: int, message: str) -> None:
    for method in ("GET", "POST"):
        status, body, _ = await pod.call(method, path)
        assert (status, message in body["message"]) == (code, True), body


async def test_a_pod_that_has_ended_runs_no_more_commands(pod: Served) -> None:
    await pod.plane.objects.patch(PODS, "default", "p", {"status": {"phase": "Succeeded"}}, "status")
    status, body, _ = await pod.call("GET", f"{POD}/exec?command=a")
    assert (status, "completed pod; current phase is Succeeded" in body["message"]) == (400, True)
