"""Where a resolution stands: the object's namespace and pod template, and the operator's settings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.auth.environment import Environment, container_environment, find_container
from tidegate.auth.files import ParameterFiles
from tidegate.auth.lookup import Reader
from tidegate.base.errors import Failure, Misconfigured


@dataclass(frozen=True, slots=True)
class Options:
    """The operator's own settings.

    `cluster_namespace` holds what ClusterTriggerAuthentications refer to. With
    `is_secret_access_restricted`, Secrets are read nowhere else. `files` are the parameter files;
    None: no root path is configured. `lends_identity` are the namespaces whose triggers may use the
    autoscaler's own identity (`lending.EVERYONE`: all).
    """

    cluster_namespace: str = "keda"
    is_secret_access_restricted: bool = False
    files: ParameterFiles | None = None
    lends_identity: tuple[str, ...] = ()


@dataclass(slots=True)
class Scope:
    """One resolution. Environments are looked at once per container; `stamps` are those of the files that
    were read, from before, by path.
    """

    reader: Reader
    namespace: str
    pod_template: Mapping[str, Any] | Failure | None
    options: Options
    stamps: dict[str, Hashable] = field(default_factory=dict)
    _environments: dict[str, Environment] = field(default_factory=dict)

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
