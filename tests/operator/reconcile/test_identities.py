"""An identity that may not be used makes its trigger unknown, and says so; what lends one wakes it."""

from __future__ import annotations

from typing import Any

from parts.cluster import Cluster, operated, redis
from tidegate.api.triggerauthentication import ALLOWED_NAMESPACES
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SCALED_OBJECTS,
    SERVICE_ACCOUNTS,
    TRIGGER_AUTHENTICATIONS,
)

DATABASE = {
    "type": "postgresql",
    "metadata": {
        "host": "db.postgres.database.azure.com",
        "port": "5432",
        "userName": "u",
        "dbName": "d",
        "sslmode": "require",
        "query": "SELECT 1",
        "targetQueryValue": "1",
    },
    "authenticationRef": {"name": "azure"},
}


@operated(jobs=5)
async def test_a_trigger_with_an_identity_is_unknown_and_says_so_while_its_neighbours_scale(
    clock: Any, cluster: Cluster
) -> None:
    identity = {"provider": "azure-workload", "identityId": "client-7"}
    await cluster.create(TRIGGER_AUTHENTICATIONS, "azure", spec={"podIdentity": identity})
    await cluster.deployment()
    await cluster.scaled_object("web", redis(), DATABASE)
    await clock.sleep(5)
    status, _, message = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert status == "False"
    assert "the azure-workload identity client-7 rests on the autoscaler's own credentials" in message
    assert cluster.replicas() == 1


QUEUE = {
    "type": "aws-sqs-queue",
    "metadata": {"queueURL": "orders", "awsRegion": "eu-west-1"},
    "authenticationRef": {"name": "aws"},
}


@operated(jobs=5)
async def test_an_annotation_of_the_workloads_account_takes_effect_at_once(
    clock: Any, cluster: Cluster
) -> None:
    def said() -> str:
        return cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]

    identity = {"provider": "aws", "identityOwner": "workload"}
    await cluster.create(TRIGGER_AUTHENTICATIONS, "aws", spec={"podIdentity": identity})
    await cluster.create(SERVICE_ACCOUNTS, "default")
    await cluster.deployment()
    await cluster.scaled_object("web", redis(), QUEUE)
    await clock.sleep(5)
    assert "has no annotation eks.amazonaws.com/role-arn" in said()
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/lag"}
    await cluster.patch(SERVICE_ACCOUNTS, "default", {"metadata": {"annotations": role}})
    await clock.sleep(1)
    assert "has no annotation" not in said()


@operated(jobs=5)
async def test_what_a_cluster_authentication_lends_counts_at_once_and_until_it_is_taken_back(
    clock: Any, cluster: Cluster
) -> None:
    async def said_with(allowed: str | None) -> str:
        metadata = {"annotations": {ALLOWED_NAMESPACES: allowed}}
        await cluster.patch(CLUSTER_TRIGGER_AUTHENTICATIONS, "aws", {"metadata": metadata})
        await clock.sleep(1)
        return cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]

    await cluster.create(CLUSTER_TRIGGER_AUTHENTICATIONS, "aws", spec={"podIdentity": {"provider": "aws"}})
    await cluster.deployment()
    ref = {"name": "aws", "kind": "ClusterTriggerAuthentication"}
    await cluster.scaled_object("web", redis(), {**QUEUE, "authenticationRef": ref})
    await clock.sleep(5)
    refused = "are not lent to namespace shop"
    assert refused in await said_with("bakery")
    assert refused not in await said_with("bakery, shop")
    assert refused in await said_with(None)
