"""What a (Cluster)TriggerAuthentication yields: parameters by name.

Order: env, configMapTargetRef, secretTargetRef, then the sources that are fetched, as `_FETCHED` lists them;
a later one overwrites an equal parameter, also one that is missing there. With filePath the file is all there
is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tidegate.api.decode import decode_as
from tidegate.api.triggerauthentication import (
    ClusterTriggerAuthentication,
    EnvRef,
    TargetRef,
    TriggerAuthentication,
    TriggerAuthenticationSpec,
)
from tidegate.api.triggers import AuthenticationRef, Trigger
from tidegate.auth.applications import application_of
from tidegate.auth.identities import identity_of
from tidegate.auth.lending import Lending, lending_of
from tidegate.auth.lookup import named
from tidegate.auth.scope import Scope
from tidegate.auth.sources import (
    aws_secrets,
    azure_key_vault,
    gcp_secrets,
    oauth2,
    service_account_token,
    vault,
)
from tidegate.auth.sources.place import Found, Place, Waiting, Wanted
from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.kit.identity import Identity
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

_KINDS = (None, "", "TriggerAuthentication", "ClusterTriggerAuthentication")
_KEYS_SHOWN = 8

_FETCHED: tuple[tuple[str, str, Callable[[Place, Any], Iterator[Wanted | Found]]], ...] = (
    ("hashiCorpVault", "hashi_corp_vault", vault.wanted),
    ("azureKeyVault", "azure_key_vault", azure_key_vault.wanted),
    ("gcpSecretManager", "gcp_secret_manager", gcp_secrets.wanted),
    ("awsSecretManager", "aws_secret_manager", aws_secrets.wanted),
    ("boundServiceAccountToken", "bound_service_account_token", service_account_token.wanted),
    ("oauth2", "oauth2", oauth2.wanted),
)
"""Sources that are fetched, in KEDA's order: their names, their fields, and what they want."""


@dataclass(slots=True)
class Parameters:
    """`variables` are those of a Secret that stands in for a TriggerAuthentication.

    `identity` is the one that the authentication names, `lending` says whether it may be used here; `waiting`
    says what is still to be fetched.
    """

    params: dict[str, str] = field(default_factory=dict, repr=False)
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    warnings: list[str] = field(default_factory=list)
    identity: Identity | None = None
    lending: Lending | None = None
    waiting: tuple[str, ...] = ()


def parameters_of(scope: Scope, trigger: Trigger, errors: list[TidegateError]) -> Parameters:
    """The parameters of the trigger's authentication, none where it names none; adds to `errors`."""
    ref = trigger.authentication_ref
    if ref is None or not ref.name:
        return Parameters()
    try:
        named_one = _named(scope, ref)
        if named_one is None:
            return _secret_in_place(scope, ref)
    except TidegateError as error:
        errors.append(error)
        return Parameters()
    spec, lending = named_one.spec, lending_of(scope, named_one)
    found = dict(_values(scope, ref, spec, lending))
    errors += (value for value in found.values() if isinstance(value, TidegateError))
    params = {parameter: value for parameter, value in found.items() if isinstance(value, str)}
    waiting = dict.fromkeys(value.text for value in found.values() if isinstance(value, Waiting))
    try:
        identity = _identity(_place(scope, ref, lending), spec)
    except TidegateError as error:
        errors.append(error)
        identity = None
    told = list(dict.fromkeys(scope.warnings))
    return Parameters(params, {}, told, identity, lending, tuple(waiting))


def _place(scope: Scope, ref: AuthenticationRef, lending: Lending) -> Place:
    """Where what the authentication refers to is looked for."""
    place = scope.options.cluster_namespace if ref.is_cluster else scope.namespace
    secrets = scope.options.cluster_namespace if scope.options.is_secret_access_restricted else place
    return Place(scope, _about(scope, ref), place, secrets, lending)


def _identity(place: Place, spec: TriggerAuthenticationSpec) -> Identity | None:
    """Who asks, where no keys do: an application of Azure counts more than an identity beside it."""
    if spec.azure_service_principal is not None:
        return application_of(place, spec.azure_service_principal)
    return identity_of(place.scope, place.about, spec.pod_identity, place.lending)


def _named(
    scope: Scope, ref: AuthenticationRef
) -> TriggerAuthentication | ClusterTriggerAuthentication | None:
    if ref.kind not in _KINDS:
        raise Misconfigured(
            "resolve authenticationRef",
            answer=f'unknown trigger auth kind "{ref.kind}"',
            next_step="use TriggerAuthentication or ClusterTriggerAuthentication",
        )
    body = scope.reader.get(_resource(ref), scope.namespace, ref.name)
    if body is None:
        return None
    if ref.is_cluster:
        return decode_as(ClusterTriggerAuthentication, body)
    return decode_as(TriggerAuthentication, body)


def _values(
    scope: Scope,
    ref: AuthenticationRef,
    spec: TriggerAuthenticationSpec,
    lending: Lending,
) -> Iterator[Found]:
    at = _place(scope, ref, lending)
    about, place, secrets = at.about, at.namespace, at.secrets
    if spec.file_path:
        yield from _from_file(scope, ref, spec.file_path)
        return
    for variable in spec.env or ():
        yield variable.parameter, _from_env(scope, about, variable)
    for target in spec.config_map_target_ref or ():
        yield target.parameter, _from_key(scope, about, CONFIG_MAPS, place, target)
    for target in spec.secret_target_ref or ():
        yield target.parameter, _from_key(scope, about, SECRETS, secrets, target)
    yield from _fetched(at, spec)


def _fetched(place: Place, spec: TriggerAuthenticationSpec) -> Iterator[Found]:
    """The parameters of the sources that are fetched, as far as they were."""
    for word, attribute, wanted in _FETCHED:
        source = getattr(spec, attribute)
        if not source:
            continue
        try:
            for one in wanted(place, source):
                yield (one.parameter, place.value(one)) if isinstance(one, Wanted) else one
        except TidegateError as error:
            # Without its credential nothing of it can be had; the others are read all the same.
            yield word, error


def _from_env(scope: Scope, about: str, variable: EnvRef) -> str | TidegateError:
    attempted = f'resolve parameter "{variable.parameter}" of {about}'
    try:
        environment = scope.environment(variable.container_name or "")
        value = environment.get(variable.name)
    except TidegateError as error:
        return error
    if value is not None:
        return value
    return Misconfigured(
        attempted,
        answer=environment.why_not_set(variable.name),
        next_step="set it in the pod template or correct spec.env",
    )


def _from_key(
    scope: Scope, about: str, resource: Resource, namespace: str, target: TargetRef
) -> str | TidegateError:
    attempted = f'resolve parameter "{target.parameter}" of {about}'
    where = named(resource, namespace, target.name)
    try:
        values = scope.reader.values(resource, namespace, target.name)
    except TidegateError as error:
        return error
    if values is None:
        return Misconfigured(
            attempted, answer=f"there is no {where}", next_step="create it or correct the reference"
        )
    if target.key not in values:
        keys = ", ".join(sorted(values)[:_KEYS_SHOWN]) or "none"
        return Misconfigured(
            attempted,
            answer=f'{where} has no key "{target.key}" (it has: {keys})',
            next_step="add the key or correct the reference",
        )
    return values[target.key]


def _from_file(scope: Scope, ref: AuthenticationRef, path: str) -> Iterator[Found]:
    attempted = f"resolve filePath of {_about(scope, ref)}"
    if not ref.is_cluster:
        answer = (
            "filePath is only supported for ClusterTriggerAuthentication, got kind: TriggerAuthentication"
        )
        yield "", Misconfigured(attempted, answer=answer, next_step="use a ClusterTriggerAuthentication")
    elif scope.options.files is None:
        step = "start with --filepath-auth-root-path <folder of the files>"
        yield "", Misconfigured(attempted, answer="filepath-auth-root-path not configured", next_step=step)
    else:
        # Taken before: what is written while we read is read again.
        scope.stamps[path] = scope.options.files.stamp(path)
        try:
            yield from scope.options.files.read(path).items()
        except TidegateError as error:
            yield "", error


def _secret_in_place(scope: Scope, ref: AuthenticationRef) -> Parameters:
    """A Secret of that name, where there is no TriggerAuthentication: its keys are the parameters."""
    is_out_of_reach = (
        scope.options.is_secret_access_restricted and scope.namespace != scope.options.cluster_namespace
    )
    values = None
    if not ref.is_cluster and not is_out_of_reach:
        values = scope.reader.values(SECRETS, scope.namespace, ref.name)
    if values is None:
        raise Misconfigured(
            "resolve authenticationRef",
            answer=f"there is no {_about(scope, ref)}",
            next_step="create it or correct authenticationRef",
        )
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    warnings = [
        f'authenticationRef.name "{ref.name}" names a Secret, whose keys are used as parameters; the proper '
        f"form is a TriggerAuthentication with one entry of spec.secretTargetRef per parameter, named here"
    ]
    if unreadable := sorted(set(values) - set(texts)):
        keys = ", ".join(unreadable[:_KEYS_SHOWN])
        warnings.append(f'keys of Secret "{ref.name}" that are no UTF-8 text are not used: {keys}')
    return Parameters(texts, texts, warnings)


def _resource(ref: AuthenticationRef) -> Resource:
    return CLUSTER_TRIGGER_AUTHENTICATIONS if ref.is_cluster else TRIGGER_AUTHENTICATIONS


def _about(scope: Scope, ref: AuthenticationRef) -> str:
    return named(_resource(ref), "" if ref.is_cluster else scope.namespace, ref.name)
