"""Kubeconfigs as people have them, and pods."""

from __future__ import annotations

import base64

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.kube.config import ExecPlugin, from_kubeconfigs, in_cluster, load

PLAIN = """
apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {cluster: c, user: u, namespace: work}
- name: there
  context: {cluster: c}
clusters:
- name: c
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority-data: Q0E=, tls-server-name: api}
users:
- name: u
  user: {token: t0ken}
"""


@pytest.fixture
def write(tmp_path):
    def put(text, name="config"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return put


def test_the_current_context_counts(write):
    config = load(write(PLAIN))
    assert (config.server, config.namespace, config.token) == ("https://10.0.0.1:6443", "work", "t0ken")
    assert (config.authority, config.tls_name) == (b"CA", "api")


def test_another_context_may_be_named_and_a_user_may_be_missing(write):
    config = load(write(PLAIN), context="there")
    assert (config.namespace, config.token) == ("default", "")


def test_secrets_stay_out_of_the_text(write):
    assert "t0ken" not in repr(load(write(PLAIN)))


def test_files_are_found_beside_their_kubeconfig(write, tmp_path):
    for name in ("ca.pem", "me.pem", "me.key"):
        (tmp_path / name).write_text(name)
    text = PLAIN.replace("certificate-authority-data: Q0E=", "certificate-authority: ca.pem")
    text = text.replace("{token: t0ken}", "{client-certificate: me.pem, client-key: me.key, tokenFile: tok}")
    config = load(write(text))
    assert (config.authority, config.certificate, config.key) == (b"ca.pem", b"me.pem", b"me.key")
    assert config.token_file == str(tmp_path / "tok")


def test_inline_certificates_are_decoded(write):
    encoded = base64.b64encode(b"PEM").decode()
    text = PLAIN.replace(
        "{token: t0ken}", f"{{client-certificate-data: {encoded}, client-key-data: {encoded}}}"
    )
    config = load(write(text))
    assert (config.certificate, config.key) == (b"PEM", b"PEM")


def test_an_insecure_cluster_and_a_password(write):
    text = PLAIN.replace("tls-server-name: api", "insecure-skip-tls-verify: true, proxy-url: http://p:1")
    config = load(write(text.replace("{token: t0ken}", "{username: me, password: pw}")))
    assert config.is_insecure
    assert (config.proxy, config.username, config.password) == ("http://p:1", "me", "pw")


def test_an_exec_plugin_is_read_and_found_beside_the_kubeconfig(write, tmp_path):
    user = """
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: ./bin/login
      args: [--cluster, c]
      env: [{name: PROFILE, value: dev}]
      installHint: install the login tool
      provideClusterInfo: true
"""
    config = load(write(PLAIN.replace(" {token: t0ken}", user)))
    assert config.exec == ExecPlugin(
        command=str(tmp_path / "bin/login"),
        args=("--cluster", "c"),
        env=(("PROFILE", "dev"),),
        api_version="client.authentication.k8s.io/v1beta1",
        install_hint="install the login tool",
        wants_cluster=True,
    )


def test_of_several_files_the_first_entry_of_a_name_counts_and_missing_files_do_not_matter(write, tmp_path):
    first = write("current-context: there\nusers: [{name: u, user: {token: first}}]", "first")
    second = write(PLAIN, "second")
    paths = [tmp_path / "missing", first, second]
    environ = {"KUBECONFIG": ":".join(map(str, paths))}
    assert load(environ=environ).namespace == "default"
    assert from_kubeconfigs(paths, "here").token == "first"


def test_the_home_directory_is_looked_at_last(write, tmp_path):
    (tmp_path / ".kube").mkdir()
    write(PLAIN, ".kube/config")
    assert load(environ={"HOME": str(tmp_path)}).token == "t0ken"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is not YAML at line"),
        ("[]", "it is not a mapping"),
        ("contexts: []", "no current-context is set"),
        ("current-context: x", "there is no context 'x'"),
        (PLAIN.replace("cluster: c,", "cluster: d,"), "there is no cluster 'd'"),
        (PLAIN.replace("user: u,", "user: v,"), "there is no user 'v'"),
        (PLAIN.replace('server: "https://10.0.0.1:6443/", ', ""), "has no server"),
        (PLAIN.replace("Q0E=", "'%%%'"), "certificate-authority-data is not base64"),
        (PLAIN.replace("certificate-authority-data: Q0E=", "certificate-authority: no.pem"), "no.pem"),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(write, text, said):
    with pytest.raises(Misconfigured, match=said) as caught:
        load(write(text))
    assert caught.value.next_step


def test_a_kubeconfig_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(Misconfigured, match="nowhere"):
        load(tmp_path / "nowhere")


def test_without_anything_the_error_names_all_that_was_looked_at(tmp_path):
    everything = r"KUBECONFIG is not set, this is not a pod, and .*/\.kube/config"
    with pytest.raises(Misconfigured, match=everything):
        load(environ={"HOME": str(tmp_path)})


def test_a_pod_finds_its_server_by_its_environment(tmp_path):
    for name, text in (("ca.crt", "CA"), ("token", "t"), ("namespace", "work\n")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    config = in_cluster(environ, tmp_path)
    assert (config.server, config.namespace) == ("https://[fd00::1]:443", "work")
    assert config.token_file == str(tmp_path / "token")
