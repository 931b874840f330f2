"""The HTTP client as other adapters use it: signed requests, redirects left alone, certificates at home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aiohttp import web

from parts import faults
from parts.http_server import answering, says
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.outgoing import Outgoing
from tidegate.kit.systems.http import HttpRequest, HttpServer
from tidegate.kit.tls import Tls


async def signed(outgoing: Outgoing) -> Mapping[str, str]:
    """Covers all that is sent, as a signature does."""
    covered = f"{outgoing.method} {outgoing.url} {outgoing.headers['X-Date']}".encode() + outgoing.body
    return {"Authorization": hashlib.sha256(covered).hexdigest()}


async def test_a_request_is_signed_as_it_is_sent() -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin)
        client = HttpClient(server, Surroundings(), sign=signed)
        headers = (("X-Date", "today"), ("Content-Type", "application/json"))
        request = HttpRequest(server, "/q%2F", (("a", "1 2"),), method="POST", headers=headers, body=b"{}")
        response = await client.send(request)
        await client.close()
        (sent,) = fake.requests
        covered = f"POST {fake.origin}{sent.raw_path} today".encode() + fake.bodies[0]
        assert sent.headers["Authorization"] == hashlib.sha256(covered).hexdigest()
        assert (response.status, response.body) == (200, b'{"n": 1}')
        assert response.headers["content-type"].startswith("application/json")


async def test_a_signature_does_not_follow_to_another_origin() -> None:
    async with answering(says({"n": 1})) as other:
        async with answering(says("", 302, Location=other.origin)) as fake:
            server = HttpServer(fake.origin)
            client = HttpClient(server, Surroundings(), sign=signed)
            await client.send(HttpRequest(server, headers=(("X-Date", "today"),)))
            await client.close()
        assert "Authorization" not in other.requests[0].headers


async def test_redirects_are_an_answer_where_they_are_not_followed() -> None:
    async with answering(says("", 307, Location="/elsewhere")) as fake:
        server = HttpServer(fake.origin, follows_redirects=False)
        client = HttpClient(server, Surroundings())
        response = await client.send(HttpRequest(server))
        await client.close()
        assert (response.status, response.headers["Location"]) == (307, "/elsewhere")
        assert len(fake.requests) == 1


async def test_a_client_certificate_is_shown_at_home_alone() -> None:
    shown: list[bool] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        shown.append(bool(request.transport.get_extra_info("peercert")))
        to = request.query.get("to")
        return web.Response(status=302, headers={"Location": to}) if to else web.json_response({})

    pair = faults.authority().issue_cert("client@example.org")
    tls = Tls(
        faults.authority().cert_pem.bytes().decode(),
        pair.cert_chain_pems[0].bytes().decode(),
        pair.private_key_pem.bytes().decode(),
    )
    context = faults.server_tls()
    faults.authority().configure_trust(context)
    context.verify_mode = context.verify_mode.__class__.CERT_OPTIONAL
    async with answering(answer, tls=context) as home, answering(answer, tls=context) as other:
        server = HttpServer(home.origin, tls=tls)
        client = HttpClient(server, Surroundings())
        await client.send(HttpRequest(server, query=(("to", "/here"),)))
        assert shown == [True, True]
        await client.send(HttpRequest(server, query=(("to", f"{other.origin}/there"),)))
        assert shown == [True, True, True, False]
        await client.close()
