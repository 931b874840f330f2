"""`tidegate crds`: the CustomResourceDefinitions, for `kubectl apply -f -`."""

from __future__ import annotations

import click


@click.command("crds")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def command(output: str) -> None:
    """Print the custom resource definitions of keda.sh/v1alpha1.

    \b
    tidegate crds | kubectl apply -f -
    """
    from tidegate.api.schema.crds import crds

    if output == "json":
        import msgspec

        listing = {"apiVersion": "v1", "kind": "List", "items": crds()}
        click.echo(msgspec.json.format(msgspec.json.encode(listing)))
        return
    import yaml

    click.echo(yaml.safe_dump_all(crds(), sort_keys=False, width=200), nl=False)
