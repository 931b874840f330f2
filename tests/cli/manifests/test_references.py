"""What the references of an object come to among the files; what is not in them may be in the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tidegate.cli.commands.validate import command

ROOT = Path(__file__).parents[3]


def told(*manifests: str) -> list[str]:
    """Level, field and text of each remark."""
    result = CliRunner().invoke(command, ["-"], input="---\n".join(manifests))
    lines = [line.split(": ", 3) for line in result.stdout.splitlines()]
    return [f"{level}: {rest}" for _, level, _, rest in lines]


def scaled(metadata: str, more: str = "", target: str = "") -> str:
    return (
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: so}\nspec:\n"
        f"  scaleTargetRef: {{name: web{target}}}\n  triggers:\n"
        f"  - {{type: redis, metadata: {{address: 'r:1', listName: x{metadata}}}{more}}}\n"
    )


def authentication(spec: str) -> str:
    return (
        "apiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: auth}\n"
        f"spec: {{{spec}}}\n"
    )


SECRET = (
    "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {user: eA==}\nstringData: {password: x}\n"
)
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: any
        env:
        - {name: PASSWORD, value: x}
        - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
        - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: pasword}}}
        - {name: FAR, valueFrom: {secretKeyRef: {name: elsewhere, key: a}}}
"""
NEVER = "(admitted, but this trigger never scales)"
FIELD = "error: spec.triggers[0].metadata.passwordFromEnv:"


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("PASSWORD", []),
        (
            "HOST",
            [
                f'{FIELD} variable "HOST" of container main comes from fieldRef, which is not read here '
                f"{NEVER}"
            ],
        ),
        ("FAR", []),
        (
            "PASWORD",
            [f'{FIELD} variable "PASWORD" is not set in container main; did you mean "PASSWORD"? {NEVER}'],
        ),
        ("NOPE", [f'{FIELD} variable "NOPE" is not set in container main {NEVER}']),
    ],
)
def test_variables_are_looked_for_where_the_target_is_in_the_files(
    variable: str, expected: list[str]
) -> None:
    assert told(scaled(f", passwordFromEnv: {variable}"), WEB) == expected
    assert told(scaled(f", passwordFromEnv: {variable}")) == []


def test_a_variable_whose_secret_lacks_the_key_is_told() -> None:
    [line] = told(scaled(", passwordFromEnv: KEY"), WEB, SECRET)
    assert 'Secret /keys has no key "pasword"' in line or 'has no key "pasword"' in line
    assert told(scaled(", passwordFromEnv: KEY"), WEB) == []


def test_a_container_that_the_target_has_not() -> None:
    manifest = scaled(", passwordFromEnv: PASSWORD", target=", envSourceContainerName: side")
    [line] = told(manifest, WEB)
    assert line.startswith(
        'error: spec.scaleTargetRef.envSourceContainerName: couldn\'t find container with name "side"'
    )


def test_names_that_are_near_others_of_the_files_are_told() -> None:
    good = authentication("secretTargetRef: [{parameter: password, name: keys, key: password}]")
    assert told(scaled("", ", authenticationRef: {name: auth}"), good, SECRET) == []
    assert told(scaled("", ", authenticationRef: {name: elsewhere}"), good, SECRET)[:1] == []
    assert told(scaled("", ", authenticationRef: {name: auht}"), good, SECRET) == [
        "warning: spec.triggers[0].authenticationRef.name: the files have no TriggerAuthentication "
        '"auht"; did you mean "auth"?'
    ]
    mistyped = scaled("").replace("scaleTargetRef: {name: web", "scaleTargetRef: {name: wbe")
    assert told(mistyped, WEB) == [
        'warning: spec.scaleTargetRef.name: the files have no Deployment "wbe"; did you mean "web"?'
    ]
    assert told(mistyped.replace("name: wbe", "name: wbe, kind: StatefulSet"), WEB) == []
    [line] = told(good.replace("name: keys", "name: kyes"), SECRET)
    assert line.endswith('the files have no Secret "kyes"; did you mean "keys"?')


def test_keys_that_there_are_not() -> None:
    wrong = authentication("secretTargetRef: [{parameter: password, name: keys, key: pasword}]")
    never = "(admitted, but triggers that refer to it never scale)"
    assert sorted(told(wrong, SECRET)) == [
        'error: spec.secretTargetRef[0].key: Secret "keys" has no key "pasword" (it has: password, user); '
        f'did you mean "password"? {never}',
    ]


@pytest.mark.parametrize("spoilt", ["data: 5", "stringData: 5", "data: {password: 5}", "data: [a]"])
def test_odd_secrets_do_no_harm(spoilt: str) -> None:
    odd = SECRET.partition("\ndata")[0] + f"\n{spoilt}\n"
    told(scaled(", passwordFromEnv: KEY", ", authenticationRef: {name: auth}"), WEB, odd)
    told(authentication("secretTargetRef: [{parameter: password, name: keys, key: password}]"), odd)


@pytest.mark.parametrize(
    "field", ["env: 5", "env: [5]", "env: [{name: A, valueFrom: x}]", "envFrom: [{secretRef: 1}]"]
)
def test_odd_templates_do_no_harm(field: str) -> None:
    told(scaled(", passwordFromEnv: KEY"), WEB.partition("        env:")[0] + f"        {field}\n")


def test_rules_that_the_hpa_would_be_refused_for_are_errors() -> None:
    rules = "selectPolicy: Most, policies: [{type: Percents, value: 0, periodSeconds: 9999}]"
    behavior = f"behavior: {{scaleDown: {{{rules}}}}}"
    manifest = scaled("").replace(
        "  triggers", f"  advanced: {{horizontalPodAutoscalerConfig: {{{behavior}}}}}\n  triggers"
    )
    fields = [line.split(": ")[1].rpartition("scaleDown.")[2] for line in told(manifest)]
    assert fields == ["selectPolicy", "policies[0].type", "policies[0].value", "policies[0].periodSeconds"]
    assert all("; the HPA would be refused" in line for line in told(manifest))


def test_fields_that_no_pod_has_are_told_of_a_jobs_template() -> None:
    job = (ROOT / "examples/csv-pipeline/05-processor.yaml").read_text()
    assert "            command:" in job
    wrong = job.replace("            command:", f"{'':12}resources: {{request: {{cpu: 1}}}}\n{'':12}comand:")
    [comand, request] = sorted(line for line in told(wrong) if "unknown field" in line)
    assert comand.startswith("warning: spec.jobTargetRef.template.spec.containers[0].comand: unknown field")
    assert comand.endswith('did you mean "command"?')
    assert "resources.request: " in request


def test_only_the_first_of_several_servers_is_asked() -> None:
    manifest = scaled("").replace("'r:1'", "'r:1, r:2'")
    [line] = told(manifest)
    assert line.startswith(
        "warning: spec.triggers[0].metadata.address: only the first of the servers is asked"
    )
    assert told(scaled("").replace("'r:1'", "'r:1,'")) == []


AZURE_VAULT = (
    "azureKeyVault: {{vaultUri: '{uri}', secrets: [{{parameter: password, name: redis}}], "
    "credentials: {{clientId: c, tenantId: t, clientSecret: "
    "{{valueFrom: {{secretKeyRef: {{name: keys, key: password}}}}}}}}{more}}}"
)


@pytest.mark.parametrize(
    ("uri", "more", "expected"),
    [
        ("https://shop.vault.azure.net", "", ""),
        ("https://shop.vault.azure.cn", ", cloud: {type: AzureChinaCloud}", ""),
        ("https://shop.vault.azure.cn", "", "vaultUri is no https URL of a host below vault.azure.net"),
        (
            "https://shop.vault.azure.net",
            ", cloud: {type: Moon}",
            "no cloud environment matching the name Moon",
        ),
        ("https://shop.vault.azure.net", ", podIdentity: {provider: gcp}", "does not support pod identity"),
    ],
)
def test_a_key_vault_that_nobody_could_ask_is_told(uri: str, more: str, expected: str) -> None:
    lines = told(authentication(AZURE_VAULT.format(uri=uri, more=more)), SECRET)
    assert [line.split(": ")[1] for line in lines] == ["spec.azureKeyVault"] * bool(expected)
    assert expected in "".join(lines)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        (", clientSecret: {valueFrom: {secretKeyRef: {name: keys, key: password}}}", ""),
        ("", "spec.azureServicePrincipal.clientSecret"),
        (
            ", cloud: Private, clientSecret: {valueFrom: {secretKeyRef: {name: keys, key: password}}}",
            "spec.azureServicePrincipal.activeDirectoryEndpoint",
        ),
    ],
)
def test_an_application_that_could_not_log_in_is_told(more: str, path: str) -> None:
    lines = told(authentication(f"azureServicePrincipal: {{clientId: c, tenantId: t{more}}}"), SECRET)
    assert [line.split(": ")[1] for line in lines] == ([path] if path else [])


VAULT = (
    "hashiCorpVault: {{address: '{address}', authentication: {how}, {more}"
    "secrets: [{{parameter: password, path: {path}, key: k, type: '{type}'{pki}}}]}}"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"address": "vault:8200"}, ["spec.hashiCorpVault.address: its value is not an absolute URL"]),
        ({"how": "kubernetes"}, ["mount: auth mount not in config", "role: k8s role not in config"]),
        ({"how": "kubernetes", "more": "mount: kubernetes, role: shop, "}, []),
        ({"path": "a/../b"}, ["secrets[0].path: is no path of a secret"]),
        ({"type": "secretV2"}, ["secrets[0].path: has no `data` after the mount"]),
        ({"type": "secretV2", "path": "secret/data/redis"}, []),
        ({"pki": ", pkiData: {ttl: 1h}"}, ["secrets[0].pkiData: has no effect without `type: pki`"]),
    ],
)
def test_a_vault_that_nobody_can_ask_is_told_without_asking(
    given: dict[str, str], expected: list[str]
) -> None:
    texts = {
        "address": "https://v",
        "how": "token",
        "more": "",
        "path": "a/b",
        "type": "",
        "pki": "",
        **given,
    }
    lines = told(authentication(VAULT.format(**texts)))
    assert len(lines) == len(expected)
    assert all(text in line for text, line in zip(expected, lines, strict=True)), lines
