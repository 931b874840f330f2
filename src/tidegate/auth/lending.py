"""Who may use the autoscaler's own identity of a cloud.

An identity that the token of the workload's own ServiceAccount proves needs nobody's leave. Every other one
rests on the autoscaler's own credentials, and whoever may write a manifest is not the administrator: it must
have been lent, to a namespace (`--lend-identity`) or, where a ClusterTriggerAuthentication names it, by that
one's annotation, which then decides alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from tidegate.api.triggerauthentication import (
    ALLOWED_NAMESPACES,
    ClusterTriggerAuthentication,
    TriggerAuthentication,
)
from tidegate.auth.scope import Scope
from tidegate.base.errors import Misconfigured
from tidegate.kit.identity import Identity

EVERYONE = "*"


@dataclass(frozen=True, slots=True)
class Lending:
    """Whether the autoscaler's own identity is lent to whom an object of `namespace` belongs.

    `lent` are the namespaces to which the operator lends it; `lender` is the ClusterTriggerAuthentication
    that names the identity, "" where none does; `allowed` what its annotation says, None without one.
    """

    namespace: str = ""
    lent: tuple[str, ...] = ()
    lender: str = ""
    allowed: tuple[str, ...] | None = None

    @property
    def is_lent(self) -> bool:
        return _has(self.lent if self.allowed is None else self.allowed, self.namespace)

    def of_namespace(self) -> Lending:
        """What holds for an identity that no authentication names."""
        return replace(self, lender="", allowed=None)

    def refusal(self, identity: Identity, attempted: str) -> Misconfigured | None:
        """Why the identity may not be used here, and what to set; None where it may."""
        if not identity.is_borrowed or self.is_lent:
            return None
        answer = (
            f"the {identity.label()} rests on the autoscaler's own credentials, which are not lent to "
            f"namespace {self.namespace}"
        )
        return Misconfigured(attempted, answer=answer, next_step=self.next_step())

    def next_step(self) -> str:
        """What an administrator can do about it."""
        annotation = f"annotation {ALLOWED_NAMESPACES} of ClusterTriggerAuthentication {self.lender}"
        flag = f"the operator's --lend-identity={self.namespace}"
        if self.allowed is not None:
            return f"an administrator can name it in the {annotation}"
        if self.lender:
            return f"an administrator can lend them by the {annotation} or by {flag}"
        return (
            f"an administrator can lend them by {flag}, or by a ClusterTriggerAuthentication with the "
            f"annotation {ALLOWED_NAMESPACES}"
        )


def lending_of(scope: Scope, named: TriggerAuthentication | ClusterTriggerAuthentication) -> Lending:
    """For the identities that this authentication names, of podIdentity or of a source, in the scope's
    namespace. An annotation of a namespaced one counts for nothing: its writers are no administrators."""
    lending = Lending(scope.namespace, scope.options.lends_identity)
    if not isinstance(named, ClusterTriggerAuthentication):
        return lending
    written = named.metadata.annotations.get(ALLOWED_NAMESPACES)
    allowed = None if written is None else allowed_namespaces(written)
    return replace(lending, lender=named.metadata.name, allowed=allowed)


def allowed_namespaces(written: str) -> tuple[str, ...]:
    """The names in the annotation's text."""
    return tuple(name for name in map(str.strip, written.split(",")) if name)


def _has(namespaces: Collection[str], namespace: str) -> bool:
    return EVERYONE in namespaces or namespace in namespaces
