"""What can be said of the sources of a TriggerAuthentication without asking any: their shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate.api.vaults import AzureKeyVault, AzureServicePrincipal, HashiCorpVault
from tidegate.auth import applications
from tidegate.auth.sources import azure_key_vault
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.kit.systems.http import read_url

_VAULT = "spec.hashiCorpVault"


def vault_problems(vault: HashiCorpVault) -> Iterator[Problem]:
    """What keeps any Vault from being asked, in KEDA's words where it has some."""
    try:
        read_url(vault.address)
    except ValueError as error:
        yield Problem(f"{_VAULT}.address", f"its value {error}")
    if vault.authentication == "kubernetes":
        if not vault.mount:
            message = "auth mount not in config; it is often kubernetes"
            yield Problem(f"{_VAULT}.mount", message, "FieldValueRequired")
        if not vault.role:
            yield Problem(f"{_VAULT}.role", "k8s role not in config", "FieldValueRequired")
    for index, secret in enumerate(vault.secrets):
        path = f"{_VAULT}.secrets[{index}]"
        parts = secret.path.strip("/").split("/")
        if not parts[0] or ".." in parts:
            yield Problem(f"{path}.path", "is no path of a secret")
        if secret.type == "secretV2" and "data" not in parts:
            yield Problem(
                f"{path}.path", "has no `data` after the mount, as version 2 wants it: secret/data/…"
            )
        if secret.pki_data is not None and secret.type != "pki":
            yield Problem(f"{path}.pkiData", "has no effect without `type: pki`")


def key_vault_problems(source: AzureKeyVault) -> Iterator[Problem]:
    """What keeps any Key Vault from being asked."""
    try:
        azure_key_vault.checked(source, "")
    except TidegateError as error:
        yield Problem("spec.azureKeyVault", error.answer)


def application_problems(given: AzureServicePrincipal) -> Iterator[Problem]:
    """What keeps any application of Azure from logging in."""
    for problem in applications.problems_of(given):
        yield replace(problem, path=f"spec.azureServicePrincipal.{problem.path}")
