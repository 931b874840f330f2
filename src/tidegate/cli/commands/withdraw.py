"""`tidegate withdraw`: take the operator off a cluster, leaving what it scaled as it is."""

from __future__ import annotations

import click

from tidegate.cli.cluster.session import Server, Session, reaching, run


@click.command("withdraw")
@click.option(
    "--operator-name",
    default="keda-operator",
    show_default=True,
    help="The operator's Deployment in the namespace.",
)
@click.option(
    "--validating-webhook-name",
    default="keda-admission",
    show_default=True,
    help="The ValidatingWebhookConfiguration.",
)
@click.option(
    "--watch-namespace",
    envvar="WATCH_NAMESPACE",
    default="",
    metavar="NAMES",
    help="Release only objects of these namespaces, with commas between. Default: all.",
)
@click.option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds that the operator's pods have to end.",
)
@reaching
def command(
    kubeconfig: str,
    namespace: str,
    operator_name: str,
    validating_webhook_name: str,
    watch_namespace: str,
    timeout: float,
) -> None:
    """Take Tidegate off a cluster: `helm uninstall` runs it first, by hand it comes before `kubectl delete`.

    The webhooks and the aggregated APIs of this installation are deleted, its operator is scaled to zero, and
    finalizer.keda.sh is taken off all ScaledObjects, ScaledJobs and TriggerAuthentications, so that they and
    their namespaces can be deleted. Replicas, HPAs and running Jobs stay as they are.

    \b
    tidegate withdraw -n keda
    """
    from tidegate.operator.withdrawal import Installation, Withdrawal, parse_namespaces

    async def work(session: Session) -> bool:
        installation = Installation(
            session.namespace,
            operator_name,
            validating_webhook_name,
            parse_namespaces(watch_namespace),
            timeout,
        )
        await Withdrawal(session.client, installation, click.echo).run()
        return True

    run(Server(kubeconfig, namespace), work)
