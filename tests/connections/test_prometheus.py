"""The prometheus trigger against real servers: values, refusals, faults, and what a round costs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.one_round import one_round
from parts.prometheus_server import PrometheusServer, VictoriaServer
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.connection import HttpConnection
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.prometheus import Prometheus

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("prometheus")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def prometheus(servers: Servers) -> PrometheusServer:
    return servers.get(PrometheusServer)


@pytest.fixture(scope="module")
def victoria(servers: Servers) -> VictoriaServer:
    server = servers.get(VictoriaServer)
    server.push({'jobs{queue="a"}': 3, 'jobs{queue="b"}': 4})
    return server


def build(address: str, query: str, *, scheme: str = "http", auth: Any = None, **more: str) -> Prometheus:
    texts = {"serverAddress": f"{scheme}://{address}", "query": query, "threshold": "5", **more}
    trigger = Trigger(type="prometheus", metadata=texts)
    made = reading.build(Prometheus, trigger, Sources(texts, {}, auth or {}), Scope("s"))
    assert isinstance(made, Prometheus), made
    return made


async def test_both_servers_give_the_value_of_a_query(
    prometheus: PrometheusServer, victoria: VictoriaServer
) -> None:
    wanted = {
        (prometheus.address, "vector(7.5)"): 7.5,
        (prometheus.address, "3 * 4"): 12,
        (prometheus.address, "-vector(1e10)"): -1e10,
        (prometheus.address, "nothing_at_all"): 0,
        (victoria.address, "sum(jobs)"): 7,
        (victoria.address, 'jobs{queue="b"}'): 4,
        (victoria.address, "nothing_at_all"): 0,
        (victoria.address, "2 + 3"): 5,
    }
    round = await one_round([build(address, query) for address, query in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_what_is_no_single_number_is_told(
    prometheus: PrometheusServer, victoria: VictoriaServer
) -> None:
    wanted = {
        (victoria.address, "jobs"): "returned multiple elements (2)",
        (prometheus.address, "vector(0) / 0"): "NaN or an infinity",
        (prometheus.address, "vector(1) / 0"): "NaN or an infinity",
        (prometheus.address, "sum((("): "400 Bad Request; check the query and the parameters",
        (victoria.address, "jobs[5m]"): "returned multiple elements (2)",
        (victoria.address, 'jobs{queue="a"}[5m]'): "the query returned a range or lines and no single value",
    }
    round = await one_round([build(address, query) for address, query in wanted])
    for text, value in zip(wanted.values(), round.values, strict=True):
        assert text in str(value)
        assert "sum((" not in str(value)


async def test_a_lost_target_is_an_error_where_the_user_says_so(prometheus: PrometheusServer) -> None:
    (said,) = (await one_round([build(prometheus.address, "gone", ignoreNullValues="false")])).values
    assert "the result is empty: its target may be lost" in said


async def test_a_thousand_triggers_ask_each_query_once_and_sixteen_at_a_time(
    prometheus: PrometheusServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(prometheus.port)
    same = [build(proxy.address, "vector(1)", threshold=str(n + 1)) for n in range(1000)]
    round = await one_round(same)
    assert round.values == [1] * 1000
    assert len(proxy.requests) == 1
    different = [build(proxy.address, f"vector({n})") for n in range(1000)]
    round = await one_round(different)
    assert round.values == list(range(1000))
    assert len(proxy.requests) == 1001
    assert proxy.connections == 1 + 16


async def test_the_beginning_of_a_refusal_is_kept_for_poll_alone(prometheus: PrometheusServer) -> None:
    scaler = build(prometheus.address, "sum(")
    question = drive_questions(scaler)
    adapter = HttpConnection(question.server, Surroundings())
    (error,) = await adapter.answer([question])
    assert "parse error" in error.excerpt
    assert "parse error" not in str(error)
    await adapter.close()


def drive_questions(scaler: Prometheus) -> Any:
    asked: list[Any] = []
    drive(scaler.measure(ASK, None), lambda question: asked.append(question) or [])  # type: ignore[arg-type]
    return asked[0]


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        (one,) = (await one_round([build(bad.address, "up")], timeout_s=0.3)).readings
    assert one.failure is not None
    assert one.failure.kind == "Unreachable"
    assert bad.address in one.failure.message


async def test_a_name_that_is_none_and_tls_to_a_plain_port_are_told(prometheus: PrometheusServer) -> None:
    (said,) = (await one_round([build(f"{faults.NOWHERE}:9090", "up")])).values
    assert faults.NOWHERE in said
    (said,) = (await one_round([build(prometheus.address, "up", scheme="https")])).values
    assert "TLS failed" in said


async def test_an_authority_of_ones_own_is_trusted_where_it_is_given(prometheus: PrometheusServer) -> None:
    ca = {"ca": faults.authority().cert_pem.bytes().decode()}
    async with faults.in_tls(prometheus.port) as front:
        (said,) = (await one_round([build(front.address, "vector(1)", scheme="https")])).values
        assert "its certificate is not trusted" in said
        trusting = build(front.address, "vector(1)", scheme="https", auth=ca)
        lenient = build(front.address, "vector(1)", scheme="https", unsafeSsl="true")
        assert (await one_round([trusting, lenient])).values == [1, 1]
    async with faults.in_tls(prometheus.port, "other.example") as front:
        (said,) = (await one_round([build(front.address, "up", scheme="https", auth=ca)])).values
        assert "its certificate is not trusted" in said


async def test_a_client_certificate_is_shown_in_mode_tls(prometheus: PrometheusServer) -> None:
    pair = faults.authority().issue_cert("client@example.org")
    auth = {
        "ca": faults.authority().cert_pem.bytes().decode(),
        "cert": pair.cert_chain_pems[0].bytes().decode(),
        "key": pair.private_key_pem.bytes().decode(),
    }
    async with faults.in_tls(prometheus.port, is_client_asked=True) as front:
        shown = build(front.address, "vector(1)", scheme="https", auth=auth, authModes="tls")
        hidden = build(front.address, "vector(1)", scheme="https", auth=auth)
        good, bad = (await one_round([shown, hidden])).values
        assert good == 1
        assert isinstance(bad, str)


async def test_a_login_that_is_refused_is_denied_without_its_secret() -> None:
    async with faults.answering(b"hunter2", "401 Unauthorized") as bad:
        auth = {"token": "hunter2-hunter2"}
        (one,) = (await one_round([build(bad.address, "up", auth=auth, authModes="bearer")])).readings
    assert b"Bearer hunter2-hunter2" in bad.heard
    assert one.failure is not None
    assert one.failure.kind == "Denied"
    assert "hunter2" not in one.failure.message


async def test_what_is_cut_or_garbled_or_of_another_type_is_no_number(
    prometheus: PrometheusServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(prometheus.port)
    proxy.cut_after = 60
    (said,) = (await one_round([build(proxy.address, "vector(1)")])).values
    assert "cannot run the query" in said
    proxy.cut_after, proxy.mode = None, "garble"
    (said,) = (await one_round([build(proxy.address, "vector(1)")])).values
    assert "not HTTP" in said
    async with faults.huge() as bad:
        (said,) = (await one_round([build(bad.address, "up")])).values
        assert "larger than 4 MiB" in said
    for body in (b"<html>hunter2</html>", b'"hunter2"', b"[]", b"{}"):
        async with faults.answering(body) as bad:
            (said,) = (await one_round([build(bad.address, "up")])).values
            assert "cannot run the query" in said
            assert "hunter2" not in said


async def test_after_a_restart_the_next_question_is_answered() -> None:
    with PrometheusServer() as own:
        question = drive_questions(build(own.address, "vector(1)"))
        adapter = HttpConnection(question.server, Surroundings())
        assert (await adapter.answer([question]))[0][0]["value"][1] == "1"
        own.stop()
        own.start()
        assert (await adapter.answer([question]))[0][0]["value"][1] == "1"
        await adapter.close()
