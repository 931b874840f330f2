"""Kinds that are asked and not stored: who am I, may they, is this token good, and give me one."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from tidegate.base.problems import Problem
from tidegate.base.times import format_time
from tidegate.kube.resource import Resource
from tidegate.kube.responses import bad_request, json_answer
from tidegate.local.apiserver.authentication.claims import API_AUDIENCES
from tidegate.local.apiserver.authentication.tokens import NO_TOKEN, Refused, Tokens
from tidegate.local.apiserver.authorization.access import User
from tidegate.local.apiserver.authorization.policy import Policy
from tidegate.local.apiserver.authorization.reviews import access_review, rules_review
from tidegate.local.apiserver.http import requests
from tidegate.local.apiserver.http.identities import Identities
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.paths import Path
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.refusals import conflict, invalid
from tidegate.local.apiserver.validation import fields
from tidegate.local.apiserver.validation.object_metadata import claim
from tidegate.local.objects import Object
from tidegate.runtime.clock import Clock

LIFE_S, SHORTEST_S, LONGEST_S = 3600, 600, 2**32
TOKEN_REQUEST = Kind(Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest"))


class Reviews:
    """Answers what is created to be answered."""

    def __init__(
        self, reads: Reads, policy: Policy, tokens: Tokens, identities: Identities, clock: Clock
    ) -> None:
        self._reads = reads
        self._policy = policy
        self._tokens = tokens
        self._identities = identities
        self._clock = clock

    async def serve(self, request: web.Request, kind: Kind, path: Path, user: User) -> web.Response:
        """201: the object with the status that answers it."""
        body, _, warnings = await requests.read_request(request, kind)
        claim(kind, path.namespace, "", body)
        name = kind.resource.kind
        if name == "SelfSubjectReview":
            body["metadata"] = {"creationTimestamp": format_time(self._clock.now())}
            body["status"] = {"userInfo": user.as_body()}
        elif name == "TokenReview":
            body["status"] = self._token_status(body.get("spec") or {})
        elif name == "SelfSubjectRulesReview":
            body |= {"status": rules_review(self._policy, body, user), "spec": {}}
        else:
            body["status"] = access_review(self._policy, kind, body, user)
        return json_answer(body, status=201, warnings=warnings)

    async def token(self, request: web.Request, account_kind: Kind, path: Path) -> web.Response:
        """201: a TokenRequest with a token for the ServiceAccount at the path."""
        body, _, warnings = await requests.read_request(request, TOKEN_REQUEST)
        given_uid = (body.get("metadata") or {}).get("uid")
        meta = claim(TOKEN_REQUEST, path.namespace, path.name, body)
        account = self._reads.get(account_kind, path.namespace, path.name).parse()
        uid = account["metadata"]["uid"]
        if given_uid and given_uid != uid:
            raise conflict(
                TOKEN_REQUEST,
                path.name,
                f"the UID in the token request ({given_uid}) does not match the UID of the service account "
                f"({uid})",
            )
        spec = body.get("spec") or {}
        life_s = spec.get("expirationSeconds")
        life_s = LIFE_S if life_s is None else life_s
        _check_life(life_s)
        audiences = spec.get("audiences") or list(API_AUDIENCES)
        reference = spec.get("boundObjectRef")
        bound = reference and self._tokens.bound_object(reference, path.namespace, path.name)
        issued = self._tokens.issue(account, audiences, life_s, bound or None)
        meta |= {"uid": uid, "creationTimestamp": format_time(self._clock.now())}
        body["spec"] = {
            "audiences": audiences,
            "expirationSeconds": life_s,
            "boundObjectRef": reference or None,
        }
        body["status"] = {"token": issued.token, "expirationTimestamp": format_time(issued.expires_at)}
        return json_answer(body, status=201, warnings=warnings)

    def _token_status(self, spec: Mapping[str, object]) -> Object:
        token, audiences = spec.get("token"), spec.get("audiences") or API_AUDIENCES
        if not isinstance(token, str) or not token:
            raise bad_request("token is required for TokenReview in authentication")
        assert isinstance(audiences, list | tuple), "the fields were checked"
        try:
            user, shared = self._identities.bearer(token, audiences)
        except Refused as error:
            told = str(error)
            # As servers say it that know other tokens too: none of the others knows it either.
            return {"user": {}, "error": told if told == NO_TOKEN else f"[{NO_TOKEN}, {told}]"}
        return {"authenticated": True, "user": user.as_body(), "audiences": shared}


def _check_life(life_s: int) -> None:
    path = "spec.expirationSeconds"
    if life_s < SHORTEST_S:
        why = "may not specify a duration less than 10 minutes"
    elif life_s > LONGEST_S:
        why = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    problem = Problem(path, f"Invalid value: {fields.show(life_s)}: {why}")
    raise invalid(TOKEN_REQUEST, "", [problem])
