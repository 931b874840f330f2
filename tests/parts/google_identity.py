"""A fake of all that grants tokens at Google, on one port: key exchange, refresh, STS, IAM Credentials, and
the metadata server; and of what a federation shows for itself (a URL, AWS's metadata service).

Every token is told apart, and what is wrong in a request is refused in Google's words, with all that was sent
repeated, so that a test can look for secrets.

Source: Google, "Using OAuth 2.0 for Server to Server Applications", "Using OAuth 2.0 for Web Server
Applications" (refresh), Security Token Service API v1 `token`, IAM Service Account Credentials API v1
`generateAccessToken`, "About VM metadata", "Obtain short-lived tokens for Workload Identity Federation";
AIP-4117; AWS, "Instance metadata and user data" (IMDSv2).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from google.auth import jwt

from parts.google_fake import EMAIL, key_file, private_key

SECRET = "hunter2-hunter2"
PROOF = f"proof-{SECRET}"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
AWS = "urn:ietf:params:aws:token-type:aws4_request"


@dataclass
class IdentityFake:
    """`life_s`: of every token; `ahead_s`: how far its clock is ahead of ours. `refuses` answers a path with
    a status and a word instead, `says` with a body. `proof` is what STS takes, `granted` holds scope and way
    of each token."""

    life_s: float = 3599
    ahead_s: float = 0
    proof: str = PROOF
    refresh: str = f"refresh-{SECRET}"
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)
    granted: dict[str, tuple[str, str]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    flavor: str = "Google"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        response = await self._told(request)
        response.headers["Date"] = formatdate(time.time() + self.ahead_s, usegmt=True)
        if request.path.startswith("/computeMetadata/") and self.flavor:
            response.headers["Metadata-Flavor"] = self.flavor
        return response

    async def _told(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        for path, (status, word) in self.refuses.items():
            if request.path.startswith(path):
                headers = {"Retry-After": "7"} if status == 429 else {}
                told = {"error": word, "error_description": f"{body} {dict(request.headers)}"}
                return web.json_response(told, status=status, headers=headers)
        if request.path in self.says:
            return web.json_response(self.says[request.path])
        if request.path == "/token":
            return await self._token(request)
        if request.path == "/sts":
            return await self._sts(request)
        if request.path.endswith(":generateAccessToken"):
            return await self._impersonated(request)
        if request.path.startswith("/computeMetadata/v1/"):
            return self._machine(request)
        return self._outside(request)

    def _grant(self, scope: str, way: str) -> str:
        token = f"ya29.{SECRET}-{way}-{len(self.granted)}"
        self.granted[token] = scope, way
        return token

    def _oauth(self, scope: str, way: str) -> web.StreamResponse:
        told = {"access_token": self._grant(scope, way), "expires_in": self.life_s, "token_type": "Bearer"}
        return web.json_response(told)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh:
                return _refused("invalid_grant", form)
            return self._oauth("", "user")
        public = private_key().public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        try:
            text, skew_s = str(form["assertion"]), 10**6
            claim = jwt.decode(text, certs=pem, audience=str(request.url), clock_skew_in_seconds=skew_s)
        except ValueError:
            return _refused("invalid_grant", form)
        if abs(claim["iat"] - time.time() - self.ahead_s) > 300:
            return _refused("invalid_grant", form)
        return self._oauth(claim["scope"], "key")

    async def _sts(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        assert form["grant_type"] == EXCHANGE
        if form["audience"] != AUDIENCE:
            return _refused("invalid_target", form)
        if form["subject_token_type"] == AWS:
            signed = json.loads(unquote(str(form["subject_token"])))
            headers = {one["key"]: one["value"] for one in signed["headers"]}
            is_right = "Action=GetCallerIdentity" in signed["url"] and "AKIA1/" in headers["Authorization"]
            is_right = is_right and headers["x-goog-cloud-target-resource"] == AUDIENCE
        else:
            is_right = form["subject_token"] == self.proof
        return self._oauth(str(form["scope"]), "sts") if is_right else _refused("invalid_grant", form)

    async def _impersonated(self, request: web.Request) -> web.StreamResponse:
        by = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if by not in self.granted:
            return _refused("UNAUTHENTICATED", {"by": by})
        asked = await request.json()
        ends = datetime.fromtimestamp(time.time() + self.ahead_s + self.life_s, UTC)
        told = {
            "accessToken": self._grant(" ".join(asked["scope"]), f"as-{self.granted[by][1]}"),
            "expireTime": ends.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        return web.json_response(told)

    def _machine(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403)
        if request.path.endswith("/project/project-id"):
            return web.Response(text="shop-machine")
        return self._oauth(request.query["scopes"], "machine")

    def _outside(self, request: web.Request) -> web.StreamResponse:
        """What a federation shows for itself."""
        if request.path == "/subject" and request.headers.get("X-Key") == SECRET:
            return web.json_response({"id_token": self.proof})
        if request.path == "/latest/api/token" and request.method == "PUT":
            return web.Response(text="imds")
        if request.headers.get("X-aws-ec2-metadata-token") == "imds":
            if request.path == "/zone":
                return web.Response(text="eu-central-1a")
            if request.path == "/role":
                return web.Response(text="shop")
            if request.path == "/role/shop":
                keys = {"AccessKeyId": "AKIA1", "SecretAccessKey": SECRET, "Token": f"session-{SECRET}"}
                return web.json_response(keys)
        return web.Response(status=404, text=f"{dict(request.headers)}")


def _refused(word: str, form: Any) -> web.StreamResponse:
    return web.json_response({"error": word, "error_description": f"{dict(form)}"}, status=400)


def files(origin: str, proof_file: str = "") -> dict[str, dict[str, Any]]:
    """Credential files of every type, as Google's tools write them, whose servers are at `origin`."""
    user = {
        "type": "authorized_user",
        "client_id": "1-x.apps.googleusercontent.com",
        "client_secret": f"client-{SECRET}",
        "refresh_token": f"refresh-{SECRET}",
        "token_uri": f"{origin}/token",
        "quota_project_id": "shop-billing",
    }
    pool = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": JWT,
        "token_url": f"{origin}/sts",
    }
    role = f"{origin}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    json_format = {"type": "json", "subject_token_field_name": "id_token"}
    by_url = {"url": f"{origin}/subject", "headers": {"X-Key": SECRET}, "format": json_format}
    by_aws = {
        "environment_id": "aws1",
        "region_url": f"{origin}/zone",
        "url": f"{origin}/role",
        "imdsv2_session_token_url": f"{origin}/latest/api/token",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    }
    return {
        "key": json.loads(key_file(origin)),
        "user": user,
        "pool by file": {**pool, "credential_source": {"file": proof_file}},
        "pool by url": {**pool, "credential_source": by_url},
        "pool by aws": {**pool, "subject_token_type": AWS, "credential_source": by_aws},
        "pool as account": {
            **pool,
            "credential_source": {"file": proof_file},
            "service_account_impersonation_url": role,
        },
        "as account": {
            "type": "impersonated_service_account",
            "source_credentials": user,
            "service_account_impersonation_url": role,
            "delegates": [],
        },
    }
