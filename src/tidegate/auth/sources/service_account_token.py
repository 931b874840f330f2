"""`boundServiceAccountToken`: a token of a ServiceAccount is the value of a parameter."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.triggerauthentication import ServiceAccountTokenRef
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.kit.systems.service_accounts import TOKEN, AccountsServer, BoundToken


def wanted(place: Place, refs: tuple[ServiceAccountTokenRef, ...]) -> Iterator[Wanted | Found]:
    """One token per ServiceAccount, however many parameters name it."""
    for ref in refs:
        life_s = place.scope.options.token_life_s
        question = BoundToken(AccountsServer(), place.namespace, ref.service_account_name, life_s)
        yield Wanted(ref.parameter, question, TOKEN)
