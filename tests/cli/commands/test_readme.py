"""What the README shows of a folder that does not run as it is, is what is printed of such a folder."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tidegate.cli.commands.validate import command

ROOT = Path(__file__).parents[3]
FOLDER = {
    "02-service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
""",
    "03-web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: acme/web:1.4
          envFrom: [{secretRef: {name: web-login}}]
""",
    "04-ingress.yaml": """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
""",
}


def test_the_readme_shows_what_validate_says_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in FOLDER.items():
        (folder / name).write_text(text)
    told = CliRunner().invoke(command, ["--local", str(folder), "--data-dir", str(tmp_path / "none")])
    assert told.exit_code == 1
    _, _, shown = (ROOT / "README.md").read_text().partition("$ tidegate validate --local shop/\n")
    lines = told.stdout.replace(f"{tmp_path}/", "").splitlines()
    # Of the rest, that no `tidegate up` runs is not so for who reads.
    lines += [line for line in told.stderr.splitlines() if str(tmp_path) not in line]
    assert shown.partition("\n\n")[0].splitlines() == lines
