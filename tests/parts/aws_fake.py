"""STS and SQS as AWS documents them: roles are assumed, signatures checked, keys end."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from parts.sigv4 import Signed, is_signed_with, key_id

MARK = "hunter2"
"""Stands in every secret: it appears in no text of ours."""

OWN_ID, OWN_SECRET = "AKIAOWN", f"{MARK}-own"
REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/lag"
_XML = """<{op}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{op}Result>
<Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{ends}</Expiration></Credentials></{op}Result></{op}Response>"""
_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>no: {sent}</Message></Error></ErrorResponse>"""


class AwsFake:
    """`refuses` are STS' codes by operation, `dead` keys that SQS calls expired, `denied` those without
    rights. `late_s`: by how much its clock is ahead of ours. Errors repeat what was sent, as some do.
    """

    def __init__(self) -> None:
        self.refuses: dict[str, str] = {}
        self.dead: set[str] = set()
        self.denied: set[str] = set()
        self.late_s = 0.0
        self.life_s = 3600.0
        self.forms: list[dict[str, str]] = []
        self.asked: list[str] = []
        self.secrets: dict[str, str] = {OWN_ID: OWN_SECRET}
        self.status = 400

    def operations(self) -> list[str]:
        return [form["Action"] for form in self.forms]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = Signed(request.method, str(request.url), headers, await request.read())
        if request.path.endswith("/api/v1/query"):
            return self._prometheus(signed)
        return self._sqs(signed) if "x-amz-target" in headers else self._sts(signed)

    def _prometheus(self, signed: Signed) -> web.Response:
        """Amazon's service for Prometheus: the value 7 for whoever signs right."""
        code = self._refusal(signed, "aps")
        if code:
            said = {"message": f"{code} {dict(signed.headers)}"}
            told = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"} | dict(self._date())
            return web.json_response(said, status=403, headers=told)
        result = [{"metric": {}, "value": [1, "7"]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def _sts(self, signed: Signed) -> web.Response:
        form = dict(parse_qsl(signed.body.decode()))
        self.forms.append(form)
        code = self.refuses.get(form["Action"], "")
        if not code and form["Action"] == "AssumeRole" and not self._is_right(signed, "sts"):
            code = "SignatureDoesNotMatch"
        if code:
            return self._said(
                _ERROR.format(code=escape(code), sent=escape(signed.body.decode())), self.status
            )
        number = len(self.secrets)
        id, secret = f"ASIA{number}", f"{MARK}-{number}"
        self.secrets[id] = secret
        ends = (datetime.now(UTC) + timedelta(seconds=self.life_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"id": id, "secret": secret, "token": f"{MARK}-session-{number}", "ends": ends}
        return self._said(_XML.format(op=form["Action"], **told), 200)

    def _sqs(self, signed: Signed) -> web.Response:
        code = self._refusal(signed, "sqs")
        if code:
            said = {"__type": f"com.amazonaws.sqs#{code}", "message": f"{code} {dict(signed.headers)}"}
            return web.json_response(said, status=403, headers=self._date())
        names = ("", "NotVisible", "Delayed")
        counts = {f"ApproximateNumberOfMessages{name}": "7" for name in names}
        return web.json_response({"Attributes": counts}, headers=self._date())

    def _refusal(self, signed: Signed, service: str) -> str:
        """A code, "" where there is none."""
        id = key_id(signed)
        self.asked.append(id)
        if abs(self.late_s) > 300:
            return "SignatureDoesNotMatch"
        if id in self.dead or not self._is_right(signed, service):
            return "ExpiredToken"
        return "AccessDenied" if id in self.denied else ""

    def _is_right(self, signed: Signed, service: str) -> bool:
        secret = self.secrets.get(key_id(signed))
        return secret is not None and is_signed_with(signed, secret, service, REGION)

    def _said(self, text: str, status: int) -> web.Response:
        return web.Response(text=text, status=status, content_type="text/xml", headers=self._date())

    def _date(self) -> Mapping[str, str]:
        return {"Date": email.utils.formatdate(time.time() + self.late_s, usegmt=True)}


class MetadataFake:
    """Where a container or an instance gets keys, as their documentation has it. `log` is what was asked."""

    def __init__(self, container_token: str = "") -> None:
        self.container_token = container_token
        self.log: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.log.append(f"{request.method} {request.path}")
        ends = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys: dict[str, Any] = {"AccessKeyId": OWN_ID, "SecretAccessKey": OWN_SECRET, "Expiration": ends}
        keys |= {"Token": f"{MARK}-metadata", "Code": "Success"}
        if request.path == "/v1/credentials":
            if request.headers.get("Authorization") != self.container_token:
                return web.json_response({"message": MARK}, status=401)
            return web.json_response(keys)
        if request.path == "/latest/api/token":
            is_asked = request.method == "PUT" and "X-aws-ec2-metadata-token-ttl-seconds" in request.headers
            return web.Response(text="of-instance") if is_asked else web.Response(status=403)
        if request.headers.get("X-aws-ec2-metadata-token") != "of-instance":
            return web.Response(status=401)
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="worker")
        return web.json_response(keys)
