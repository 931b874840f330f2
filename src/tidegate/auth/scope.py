"""Where a resolution stands: the object's namespace and pod template, and the operator's settings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.auth.environment import Environment, container_environment, find_container
from tidegate.auth.files import ParameterFiles
from tidegate.auth.lookup import Reader
from tidegate.base.errors import Failure, Misconfigured
from tidegate.kit.fetched import Fetched, Fetches, SourceQuestion
from tidegate.kit.systems.vault import VaultDefaults


@dataclass(frozen=True, slots=True)
class Options:
    """The operator's own settings.

    `cluster_namespace` holds what ClusterTriggerAuthentications refer to. With
    `is_secret_access_restricted`, Secrets are read nowhere else. `files` are the parameter files;
    None: no root path is configured. `lends_identity` are the namespaces whose triggers may use the
    autoscaler's own identity (`lending.EVERYONE`: all). `fetches` holds what was fetched from vaults and
    their like; None: nobody fetches. `token_life_s` is that of bound tokens of ServiceAccounts, `vault` what
    holds for all Vaults.
    """

    cluster_namespace: str = "keda"
    is_secret_access_restricted: bool = False
    files: ParameterFiles | None = None
    lends_identity: tuple[str, ...] = ()
    fetches: Fetches | None = None
    token_life_s: int = 3600
    vault: VaultDefaults = field(default_factory=VaultDefaults)


@dataclass(slots=True)
class Scope:
    """One resolution. Environments are looked at once per container; `stamps` are those of the files that
    were read, from before, by path. `wanted` are the questions whose answers it needs.
    """

    reader: Reader
    namespace: str
    pod_template: Mapping[str, Any] | Failure | None
    options: Options
    stamps: dict[str, Hashable] = field(default_factory=dict)
    wanted: dict[SourceQuestion, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _environments: dict[str, Environment] = field(default_factory=dict)

    def held(self, question: SourceQuestion) -> Fetched | Failure | None:
        """What is known of the answer; that it is wanted is kept, whatever is known."""
        self.wanted[question] = None
        fetches = self.options.fetches
        return fetches.held(question) if fetches is not None else None

    def environment(self, container: str) -> Environment:
        """The variables of that container (empty: the first); no variables without containers.

        Misconfigured when there is no container of that name, or no template can be had.
        """
        if container not in self._environments:
            if isinstance(self.pod_template, Failure):
                raise Misconfigured("read the environment of the pods", answer=self.pod_template.message)
            found = find_container(self.pod_template, container)
            restricted = self.options.is_secret_access_restricted
            self._environments[container] = (
                Environment()
                if found is None
                else container_environment(
                    self.reader,
                    self.namespace,
                    found,
                    self.options.cluster_namespace if restricted else None,
                )
            )
        return self._environments[container]
