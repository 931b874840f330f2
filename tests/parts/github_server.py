"""A fake of GitHub's REST API: repositories, runs, jobs, ETags, Apps and rate limits.

Written from GitHub's documentation: "REST API endpoints for workflow runs / jobs", "… for repositories",
"Rate limits", "Conditional requests", "Authenticating as a GitHub App".
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOKEN = "ghp_hunter2"
INSTALLATION = 99


@dataclass
class FakeGithub:
    """`runs` by `owner/name`: the state of each run, and the jobs in it as (state, labels).

    `remaining` counts down with each answer that is no 304. `answer` serves a request.
    """

    repositories: dict[str, list[str]] = field(default_factory=dict)
    runs: dict[str, dict[int, tuple[str, list[tuple[str, list[str]]]]]] = field(default_factory=dict)
    remaining: int = 5000
    reset_s: int = 0
    app_key: rsa.RSAPrivateKey | None = None
    tokens: dict[str, float] = field(default_factory=dict)
    token_life_s: int = 3600
    given: int = 0
    unchanged: int = 0
    has_etags: bool = True
    status: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status:
            return web.json_response({"message": f"no, {TOKEN}"}, status=self.status)
        if request.path.endswith("/access_tokens"):
            return self._token(request)
        if not self._is_known(request.headers.get("Authorization", "")):
            return web.json_response({"message": "Bad credentials"}, status=401)
        if self.remaining <= 0:
            headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(self.reset_s)}
            return web.json_response({"message": "API rate limit exceeded"}, status=403, headers=headers)
        body = self._document(request)
        text = json.dumps(body)
        etag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        headers = {"ETag": etag} if self.has_etags else {}
        if self.has_etags and request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304, headers=headers)
        self.remaining -= 1
        headers |= {"X-RateLimit-Remaining": str(self.remaining), "X-RateLimit-Reset": str(self.reset_s)}
        if body is None:
            return web.json_response({"message": "Not Found"}, status=404, headers=headers)
        return web.Response(text=text, headers=headers, content_type="application/json")

    def app_key_text(self) -> str:
        self.app_key = self.app_key or rsa.generate_private_key(65537, 2048)
        return self.app_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()

    def _is_known(self, given: str) -> bool:
        if given.startswith("token "):
            return self.tokens.get(given.removeprefix("token "), 0) > time.time()
        return given == f"Bearer {TOKEN}"

    def _token(self, request: web.Request) -> web.StreamResponse:
        claim = request.headers.get("Authorization", "").removeprefix("Bearer ")
        text, _, signature = claim.rpartition(".")
        assert self.app_key is not None
        # Raises where the signature is another key's.
        self.app_key.public_key().verify(
            base64.urlsafe_b64decode(signature + "=="), text.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        said = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
        if said["iss"] != "42" or not said["iat"] < time.time() < said["exp"]:
            return web.json_response({"message": "bad claim"}, status=401)
        if request.path != f"/app/installations/{INSTALLATION}/access_tokens":
            return web.json_response({"message": "Not Found"}, status=404)
        self.given += 1
        token, ends = f"ghs_{self.given}", datetime.now(UTC) + timedelta(seconds=self.token_life_s)
        self.tokens[token] = ends.timestamp()
        return web.json_response({"token": token, "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}, status=201)

    def _document(self, request: web.Request) -> Any:
        parts, page = request.path.strip("/").split("/"), int(request.query.get("page", "1"))
        if parts[0] in ("orgs", "users") and parts[2:] == ["repos"]:
            names = self.repositories.get(parts[1])
            return None if names is None else [{"name": name} for name in names[30 * page - 30 : 30 * page]]
        owner, name, rest = parts[1], parts[2], parts[3:]
        runs = self.runs.get(f"{owner}/{name}")
        if runs is None:
            return None
        size = int(request.query.get("per_page", "30"))
        if rest == ["actions", "runs"]:
            found = [
                {"id": number, "status": state, "repository": {"name": name}}
                for number, (state, _) in runs.items()
                if state == request.query["status"]
            ]
            return {"total_count": len(found), "workflow_runs": found[size * (page - 1) : size * page]}
        jobs = runs[int(rest[2])][1]
        listed = [
            {"id": number, "status": state, "labels": labels} for number, (state, labels) in enumerate(jobs)
        ]
        return {"total_count": len(jobs), "jobs": listed[size * (page - 1) : size * page]}
