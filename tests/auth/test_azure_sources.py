"""What `azureServicePrincipal` and `azureKeyVault` of a TriggerAuthentication come to."""

from __future__ import annotations

import pytest

from tidegate.auth.resolve import Options, Unresolved
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import Identity, IdentityToken, ServicePrincipal
from tidegate.kit.systems.azure_keyvault import KeyVaultServer, VaultSecret

IDS = {"clientId": "client", "tenantId": "tenant"}
SECRET = {"valueFrom": {"secretKeyRef": {"name": "azure", "key": "secret"}}}
CERTIFICATE = {"valueFrom": {"secretKeyRef": {"name": "azure", "key": "pem"}}}
VAULT = "https://vault.azure.net/.default"
LENT = Options(lends_identity=("shop",))


@pytest.fixture(autouse=True)
def secret(world):
    world.secret("azure", secret="hunter2\n", pem="-----BEGIN")


def vault(**more):
    source = {
        "vaultUri": "https://shop.vault.azure.net/",
        "credentials": {**IDS, "clientSecret": SECRET},
        "secrets": [{"parameter": "password", "name": "redis"}],
    }
    return {"azureKeyVault": {**source, **more}}


def asked(found):
    (question,) = found.wanted
    return question


def test_an_application_stands_in_for_an_identity(world, resolved):
    world.authentication("x", {"azureServicePrincipal": {**IDS, "clientSecret": SECRET}})
    found = resolved("x")
    assert found.identity == Identity(
        "azure-workload", application=ServicePrincipal("client", "tenant", "hunter2")
    )
    assert not found.identity.is_borrowed
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("more", "authority"),
    [
        ({}, ""),
        ({"cloud": "AzureUSGovernmentCloud"}, "https://login.microsoftonline.us"),
        ({"cloud": "Private", "activeDirectoryEndpoint": "https://login.example"}, "https://login.example"),
    ],
)
def test_an_application_with_a_certificate_logs_in_at_its_cloud(world, resolved, more, authority):
    given = {**IDS, "clientCertificate": CERTIFICATE, "clientCertificatePassword": SECRET, **more}
    world.authentication("x", {"azureServicePrincipal": given})
    assert resolved("x").identity.application == ServicePrincipal(
        "client",
        "tenant",
        certificate="-----BEGIN",
        certificate_password="hunter2",
        authority_host=authority,
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "either clientSecret or clientCertificate is expected"),
        ({"clientSecret": SECRET, "clientCertificate": CERTIFICATE}, "either clientSecret or"),
        ({"clientSecret": SECRET, "cloud": "Moon"}, "invalid cloud environment Moon"),
        ({"clientSecret": SECRET, "cloud": "Private"}, "activeDirectoryEndpoint must be provided"),
        (
            {"clientSecret": SECRET, "cloud": "Private", "activeDirectoryEndpoint": "http://a.example"},
            "must be an https URL",
        ),
        (
            {"clientSecret": {"valueFrom": {"secretKeyRef": {"name": "azure", "key": "other"}}}},
            'has no key "other"',
        ),
        (
            {"clientSecret": {"valueFrom": {"secretKeyRef": {"name": "gone", "key": "other"}}}},
            "there is no Secret",
        ),
    ],
)
def test_what_an_application_lacks_is_told(world, resolved, given, told):
    world.authentication("x", {"azureServicePrincipal": {**IDS, **given}})
    found = resolved("x")
    assert isinstance(found, Unresolved)
    assert told in found.message
    assert "hunter2" not in found.message


def test_a_secret_of_a_vault_is_a_parameter(world, resolved):
    world.authentication("x", vault())
    principal = ServicePrincipal("client", "tenant", "hunter2")
    server = KeyVaultServer("https://shop.vault.azure.net", "", IdentityToken(principal, VAULT))
    question = VaultSecret(server, "redis")
    held = {question: Fetched({"value": "s3cret"})}

    class Held:
        def held(self, one):
            return held.get(one)

    found = resolved("x", options=Options(fetches=Held()))
    assert found.params == {"password": "s3cret"}
    assert asked(found) == question
    assert "hunter2" not in repr(question) + question.label() + server.label()


def test_a_version_is_another_question(world, resolved):
    world.authentication("x", vault(secrets=[{"parameter": "password", "name": "redis", "version": "v1"}]))
    assert asked(resolved("x")).version == "v1"


@pytest.mark.parametrize(
    ("cloud", "uri", "audience", "authority"),
    [
        (
            {"type": "AzureChinaCloud"},
            "https://shop.vault.azure.cn",
            "https://vault.azure.cn/.default",
            "https://login.chinacloudapi.cn",
        ),
        (
            {
                "type": "Private",
                "keyVaultResourceURL": "https://vault.example/",
                "activeDirectoryEndpoint": "https://login.example",
            },
            "https://shop.vault.example",
            "https://vault.example/.default",
            "https://login.example",
        ),
    ],
)
def test_the_cloud_of_a_vault_counts(world, resolved, cloud, uri, audience, authority):
    world.authentication("x", vault(cloud=cloud, vaultUri=uri))
    server = asked(resolved("x")).server
    assert (server.origin, server.token.audience) == (uri, audience)
    assert server.token.identity.authority_host == authority


def test_an_identity_asks_a_vault_where_it_was_lent(world, resolved):
    named = {"provider": "azure-workload", "identityId": "other"}
    world.authentication("x", vault(podIdentity=named))
    refused = resolved("x")
    assert isinstance(refused, Unresolved)
    assert "not lent to namespace shop" in refused.message
    assert not refused.wanted
    identity = asked(resolved("x", options=LENT)).server.token.identity
    assert identity == Identity("azure-workload", client_id="other")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"vaultUri": "https://vault.evil.example"}, "no https URL of a host below vault.azure.net"),
        ({"vaultUri": "https://evilvault.azure.net"}, "no https URL of a host below vault.azure.net"),
        ({"vaultUri": "http://shop.vault.azure.net"}, "no https URL of a host below"),
        ({"vaultUri": "https://shop.vault.azure.cn"}, "no https URL of a host below vault.azure.net"),
        ({"vaultUri": "shop"}, "is not an absolute URL"),
        ({"cloud": {"type": "Moon"}}, "there is no cloud environment matching the name Moon"),
        ({"cloud": {"type": "Private"}}, "keyVaultResourceURL must be provided"),
        ({"credentials": None}, "clientID, tenantID and clientSecret are expected"),
        ({"podIdentity": {"provider": "gcp"}}, "does not support pod identity provider gcp"),
    ],
)
def test_a_vault_that_cannot_be_asked_says_why(world, resolved, more, told):
    world.authentication("x", vault(**more))
    found = resolved("x", options=LENT)
    assert isinstance(found, Unresolved)
    assert told in found.message
    assert "hunter2" not in found.message
    assert not found.wanted
