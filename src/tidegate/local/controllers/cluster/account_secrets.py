"""Secrets of type `kubernetes.io/service-account-token`: a token that lasts as long as Secret and account.

Source: Kubernetes documentation, "Managing Service Accounts: Manage Secrets for ServiceAccounts manually".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

from tidegate.kube.resource import SECRETS, SERVICE_ACCOUNTS, ApiError, Resource
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.objects import Change, Object, Objects

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"

Sign = Callable[[Object, Object], str]
"""A ServiceAccount and a Secret to a token of the one that ends with the other."""


class AccountSecrets:
    """`certificate` (PEM) is what the API's certificate is checked by."""

    def __init__(self, objects: Objects, sign: Sign, certificate: str) -> None:
        self.objects = objects
        self._sign = sign
        self._certificate = certificate

    def resources(self) -> Iterable[Resource]:
        return (SECRETS, SERVICE_ACCOUNTS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == SECRETS:
            return [key_of(change.object)] if change.object.get("type") == TYPE else []
        namespace, name = key_of(change.object)
        found = [one for one in self.objects.list(SECRETS, namespace) if one.get("type") == TYPE]
        return [key_of(one) for one in found if _annotation(one, NAME) == name]

    async def reconcile(self, key: Name) -> float | None:
        secret = self.objects.get(SECRETS, *key)
        if secret is None or secret.get("type") != TYPE or is_deleting(secret):
            return None
        account = self.objects.get(SERVICE_ACCOUNTS, key[0], _annotation(secret, NAME))
        known = _annotation(secret, UID)
        if account is None or known not in ("", account["metadata"]["uid"]):
            await self._delete(secret)
            return None
        data = dict(secret.get("data") or {})
        if not data.get("token"):
            data["token"] = _encoded(self._sign(account, secret))
        data |= {"ca.crt": _encoded(self._certificate), "namespace": _encoded(key[0])}
        if data != secret.get("data") or not known:
            note = {"annotations": {UID: account["metadata"]["uid"]}}
            version = {"resourceVersion": secret["metadata"]["resourceVersion"]}
            await self.objects.patch(SECRETS, *key, {"metadata": {**note, **version}, "data": data})
        return None

    async def _delete(self, secret: Object) -> None:
        """What gave its bearer the rights of an account goes with it."""
        try:
            await self.objects.delete(SECRETS, *key_of(secret), uid=secret["metadata"]["uid"])
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _annotation(secret: Object, name: str) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(name, ""))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
