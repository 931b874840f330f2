"""The autoscaler's own keys of AWS, as botocore finds them: environment, profiles, container, instance.

botocore waits for what it asks; call this in a thread. Its words stay out of errors: they may repeat answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore.credentials import (
    ContainerProvider,
    EnvProvider,
    InstanceMetadataProvider,
    create_credential_resolver,
)
from botocore.exceptions import BotoCoreError
from botocore.utils import InstanceMetadataFetcher

from tidegate.base.errors import Denied, Unreachable
from tidegate.connections.grants import Granted
from tidegate.kit.identity import AwsKeys

_LOOKED_AGAIN_S = 300.0
"""Keys without an end are looked for again: their file may have been written anew."""

_LEAST_S = 60.0
_PROFILES = {"config_file": "AWS_CONFIG_FILE", "credentials_file": "AWS_SHARED_CREDENTIALS_FILE"}
# Those come before and after the profiles, with the environment that we were given.
_OURS = ("env", "container-role", "iam-role", "ec2-credentials-file", "boto-config")
_ATTEMPTED = "find AWS keys of the autoscaler's own"
_STEP = "give its ServiceAccount a role, or its pod or machine, or keys in its environment"


def own_keys(environment: Mapping[str, str]) -> Granted[AwsKeys]:
    """The keys. Denied where there are none, Unreachable where their source does not give them."""
    try:
        found = _found(environment)
        if found is None:
            answer = "there are none: no keys, token, profile, container or instance gives any"
            raise Denied(_ATTEMPTED, answer=answer, next_step=_STEP)
        frozen = found.get_frozen_credentials()
    except (BotoCoreError, OSError, ValueError, KeyError) as error:
        # What botocore complains of is a file, a profile's name or an answer.
        answer = f"their source fails ({type(error).__name__})"
        step = "check the profile, or what gives the container or instance its role"
        raise Unreachable(_ATTEMPTED, answer=answer, next_step=step) from None
    return Granted(AwsKeys(frozen.access_key, frozen.secret_key, frozen.token or ""), _life_s(found))


def _found(environment: Mapping[str, str]) -> Any:
    """botocore's credentials, None for none."""
    return (
        EnvProvider(dict(environment)).load()
        or _of_profiles(environment)
        or ContainerProvider(dict(environment)).load()
        or _of_instance(environment)
    )


def _of_profiles(environment: Mapping[str, str]) -> Any:
    """Shared files: keys, roles, single sign-on, programs."""
    profile = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    session = botocore.session.Session(profile=profile)
    for name, variable in _PROFILES.items():
        if environment.get(variable):
            session.set_config_variable(name, environment[variable])
    resolver = create_credential_resolver(session)
    for name in _OURS:
        resolver.remove(name)
    return resolver.load_credentials()


def _of_instance(environment: Mapping[str, str]) -> Any:
    config = {
        "ec2_metadata_service_endpoint": environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or None,
        "ec2_metadata_service_endpoint_mode": environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
        "ec2_metadata_v1_disabled": environment.get("AWS_EC2_METADATA_V1_DISABLED", "").lower() == "true",
    }
    fetcher = InstanceMetadataFetcher(timeout=1, num_attempts=2, env=dict(environment), config=config)
    return InstanceMetadataProvider(iam_role_fetcher=fetcher).load()


def _life_s(found: Any) -> float:
    """Keys with an end have it in a field that botocore calls its own, and tells in no other way."""
    ends = getattr(found, "_expiry_time", None)
    if ends is None:
        return _LOOKED_AGAIN_S
    return float(max((ends - datetime.now(UTC)).total_seconds(), _LEAST_S))
