"""A trigger's parameters and environment, from what the cluster holds, as plain values.

Nothing here fetches by itself: `Lookup` answers from watch caches. Every answer, good or bad, says
what was looked at, so that a change there can wake whoever depends on it. A missing Secret, key
or TriggerAuthentication is a failure that names it, never an empty parameter.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.api.triggers import Trigger
from tidegate.auth.authentication import Parameters, parameters_of
from tidegate.auth.lending import Lending
from tidegate.auth.lookup import Key, Lookup, Reader
from tidegate.auth.scope import Options, Scope
from tidegate.base.errors import Failure, TidegateError
from tidegate.kit.fetched import SourceQuestion
from tidegate.kit.identity import Identity

__all__ = ["Options", "Resolved", "Unresolved", "resolve"]

# Of several errors the most lasting one names the whole.
_LASTING = ("Unsupported", "Misconfigured", "Denied", "Malformed", "Unreachable")


@dataclass(frozen=True, slots=True)
class Resolved:
    """`params` by parameter name; `env` holds the variables that the trigger's metadata names.

    Both may carry secrets and are not shown. `unset` says of each named variable that should be there why it
    is not; `stamps` are those of parameter files, by path: where one differs later, the file has changed.
    `lending` says whether an identity that the authentication names may be used here. `wanted` are the
    questions to sources whose answers were read.
    """

    params: dict[str, str] = field(default_factory=dict, repr=False)
    env: dict[str, str] = field(default_factory=dict, repr=False)
    read: frozenset[Key] = frozenset()
    warnings: tuple[str, ...] = ()
    unset: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, Hashable] = field(default_factory=dict)
    identity: Identity | None = None
    lending: Lending = field(default_factory=Lending)
    wanted: frozenset[SourceQuestion] = frozenset()


@dataclass(frozen=True, slots=True)
class Unresolved(Failure):
    """A failure that knows what was read: a change there may heal it. Equal texts are the same news.

    `is_waiting`: nothing is wrong, and something is still to be fetched.
    """

    read: frozenset[Key] = field(default=frozenset(), compare=False)
    stamps: dict[str, Hashable] = field(default_factory=dict, compare=False)
    wanted: frozenset[SourceQuestion] = field(default=frozenset(), compare=False)
    is_waiting: bool = False


def resolve(
    lookup: Lookup,
    namespace: str,
    trigger: Trigger,
    pod_template: Mapping[str, Any] | Failure | None,
    env_container: str,
    options: Options,
) -> Resolved | Unresolved:
    """What the trigger's settings may be read from, apart from its metadata; or all that is wrong.

    `pod_template` is that of the scale target (None where it has none, a Failure where it cannot be had),
    `env_container` the container whose environment `…FromEnv` keys name (empty: the first). The
    environment is only looked at where the trigger or its authentication names a variable.
    """
    scope = Scope(Reader(lookup), namespace, pod_template, options)
    errors: list[TidegateError] = []
    found = parameters_of(scope, trigger, errors)
    unset: dict[str, str] = {}
    env = _named_variables(scope, trigger, env_container, found, errors, unset)
    read, wanted = frozenset(scope.reader.read), frozenset(scope.wanted)
    if errors:
        kind = min((error.kind for error in errors), key=_LASTING.index)
        message = "; ".join(dict.fromkeys(str(error) for error in errors))
        return Unresolved(kind, message, read, scope.stamps, wanted)
    if found.waiting:
        return Unresolved(
            "Unreachable", "; ".join(found.waiting), read, scope.stamps, wanted, is_waiting=True
        )
    lending = found.lending or Lending(namespace, options.lends_identity)
    warnings = tuple(found.warnings)
    return Resolved(found.params, env, read, warnings, unset, scope.stamps, found.identity, lending, wanted)


def _named_variables(
    scope: Scope,
    trigger: Trigger,
    env_container: str,
    found: Parameters,
    errors: list[TidegateError],
    unset: dict[str, str],
) -> dict[str, str]:
    """The variables that `…FromEnv` (and `…FromEnvFile`) keys name; adds to errors, warnings, unset."""
    env: dict[str, str] = {}
    for key, name in trigger.metadata.items():
        name = name.strip()
        if "FromEnv" not in key or not name:
            continue
        try:
            environment = scope.environment(env_container)
            value = environment.get(name)
        except TidegateError as error:
            if name not in found.variables:
                errors.append(error)
                continue
            value = None
        if value is None:
            value = found.variables.get(name)
        if value is None:
            found.warnings.append(f"{key}: {environment.why_not_set(name)}")
            if not environment.may_be_absent(name):
                unset[name] = environment.why_not_set(name)
        else:
            env[name] = value
    return env
