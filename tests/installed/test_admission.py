"""`tidegate admission-webhooks` as a process that a real API server asks: what `kubectl apply` is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.installed import Installed
from parts.installed_objects import deployment
from parts.installed_webhooks import InstalledWebhooks
from parts.real_cluster import GROUP
from parts.tls_parts import Maker, write
from tidegate.admission.webhooks import SERVICE
from tidegate.runtime.certificates import service_names

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

Object = dict[str, Any]
CLOCK = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"},
}
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
DENIED = 'admission webhook "vscaledobject.kb.io" denied the request: '


@pytest.fixture(scope="module")
def webhooks(real_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledWebhooks]:
    folder = tmp_path_factory.mktemp("webhooks")
    with (
        Installed(real_kubeconfig, folder) as installed,
        InstalledWebhooks(installed, folder / "certs") as webhooks,
    ):
        yield webhooks


def scaled(name: str, *, target: Object | None = None, hpa: str = "", **spec: Any) -> Object:
    advanced = {"advanced": {"horizontalPodAutoscalerConfig": {"name": hpa}}} if hpa else {}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target or {"name": name}, "triggers": [CLOCK], **advanced, **spec},
    }


def hpa(name: str, target: str, **metadata: Any) -> Object:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, **metadata},
        "spec": {"scaleTargetRef": ref, "maxReplicas": 3},
    }


def requesting(name: str, **resources: Any) -> Object:
    made = deployment(name)
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    return made


def heard(webhooks: InstalledWebhooks, object: Object, words: str) -> None:
    """Refused with these words, once the webhook has heard of what was written just before."""

    def is_refused() -> bool:
        said = webhooks.refusal(object)
        if not said:
            webhooks.installed.kubectl(
                "delete", "-n", webhooks.installed.namespace, object["kind"], object["metadata"]["name"]
            )
        return words in said

    webhooks.installed.until(f"{words!r} is said", is_refused, 15)


def test_what_is_right_is_taken_and_its_weaknesses_are_told(webhooks: InstalledWebhooks) -> None:
    said = webhooks.applied(scaled("taken", minReplicaCount=1, pollingInterval=10))
    assert "scaledobject.keda.sh/taken created" in said
    assert "Warning: spec.pollingInterval: " in said
    assert "PollingInterval is only relevant when minReplicaCount = 0, idleReplicaCount is set" in said


def test_all_that_is_wrong_is_told_at_once(webhooks: InstalledWebhooks) -> None:
    twice = {**CLOCK, "name": "clock"}
    wrong = scaled(
        "many", triggers=[twice, {**twice, "useCachedMetrics": True}], idleReplicaCount=3, minReplicaCount=2
    )
    said = webhooks.refusal(wrong)
    assert "Error from server (Forbidden)" in said
    assert DENIED in said
    assert 'triggerName "clock" is defined multiple times in the ScaledObject/ScaledJob' in said
    assert 'property "useCachedMetrics" is not supported for "cron" scaler' in said
    assert "IdleReplicaCount=3 must be less than MinReplicaCount=2" in said


@pytest.mark.parametrize(
    ("object", "words"),
    [
        (scaled("n" * 55), "has more than 63 characters"),
        (
            scaled("only-cpu", triggers=[CPU]),
            "scaledobject has only cpu/memory triggers AND minReplica is 0",
        ),
        (
            scaled("odd", target={"apiVersion": "shop.example/v1", "kind": "Till", "name": "till"}),
            'no matches for kind "Till" in version "shop.example/v1"',
        ),
        (
            scaled("made-up", advanced={"scalingModifiers": {"formula": "a +", "target": "1"}}),
            "spec.advanced.scalingModifiers.formula",
        ),
    ],
)
def test_what_kedas_webhook_refuses_is_refused(
    webhooks: InstalledWebhooks, object: Object, words: str
) -> None:
    said = webhooks.refusal(object)
    assert words in said
    assert DENIED in said


def test_a_workload_has_one_scaled_object(webhooks: InstalledWebhooks) -> None:
    assert webhooks.refusal(scaled("first", target={"name": "shared"})) == ""
    second = scaled("second", target={"name": "shared"})
    words = (
        "the workload 'shared' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'first'"
    )
    heard(webhooks, second, words)
    # The same name of another kind is another workload.
    assert webhooks.refusal(scaled("third", target={"kind": "StatefulSet", "name": "shared"})) == ""
    # Its own HPA and itself are no strangers.
    assert webhooks.refusal(scaled("first", target={"name": "shared"}, cooldownPeriod=60)) == ""


def test_the_name_of_an_hpa_is_taken_once(webhooks: InstalledWebhooks) -> None:
    assert webhooks.refusal(scaled("named", hpa="chosen")) == ""
    heard(
        webhooks,
        scaled("named-too", hpa="chosen"),
        "the HPA 'chosen' is already managed by the ScaledObject 'named'",
    )


def test_an_hpa_of_somebody_else_is_respected_unless_it_is_handed_over(webhooks: InstalledWebhooks) -> None:
    webhooks.installed.apply(hpa("theirs", "till"))
    words = "the workload 'till' of type 'apps/v1.Deployment' is already managed by the hpa 'theirs'"
    heard(webhooks, scaled("till"), words)
    asking = scaled("till")
    asking["metadata"]["annotations"] = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    said = webhooks.refusal(asking)
    assert (
        "the existing hpa 'theirs' for workload 'till' of type 'apps/v1.Deployment' must be specified" in said
    )
    asking["spec"]["advanced"] = {"horizontalPodAutoscalerConfig": {"name": "theirs"}}
    assert webhooks.refusal(asking) == ""


def test_an_hpa_that_says_so_is_not_looked_at(webhooks: InstalledWebhooks) -> None:
    free = hpa("free", "stall", annotations={"validations.keda.sh/hpa-ownership": "false"})
    webhooks.installed.apply(free)
    webhooks.installed.apply(hpa("after", "elsewhere"))
    heard(webhooks, scaled("elsewhere"), "already managed by the hpa 'after'")
    assert webhooks.refusal(scaled("stall")) == ""


def test_containers_must_request_what_a_utilization_is_a_share_of(webhooks: InstalledWebhooks) -> None:
    bare = scaled("bare", minReplicaCount=1, triggers=[CPU])
    assert webhooks.refusal(bare) == "", "its workload may come later"
    webhooks.installed.apply(deployment("bare"))
    bare["spec"]["cooldownPeriod"] = 30
    words = "the scaledobject has a cpu trigger but the container work doesn't have the cpu request defined"
    assert words in webhooks.refusal(bare)
    webhooks.installed.apply(requesting("bare", limits={"cpu": "100m"}))
    assert webhooks.refusal(bare) == ""
    webhooks.installed.apply(
        deployment("ranged"),
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "usual"},
            "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]},
        },
    )
    assert webhooks.refusal(scaled("ranged", minReplicaCount=1, triggers=[CPU])) == ""
    memory = {**CPU, "type": "memory"}
    assert "memory request defined" in webhooks.refusal(
        scaled("ranged", minReplicaCount=1, triggers=[CPU, memory])
    )


def test_the_last_finalizer_of_an_object_that_has_become_wrong_goes(webhooks: InstalledWebhooks) -> None:
    installed = webhooks.installed
    one, two = (scaled(name, target={"name": "disputed"}) for name in ("one", "two"))
    two["metadata"]["finalizers"] = ["example.com/held"]
    installed.kubectl("delete", "validatingwebhookconfiguration", webhooks.name)
    installed.apply(one, two)
    webhooks.register(webhooks.maker.trust)
    heard_two = scaled("two", target={"name": "disputed"}, cooldownPeriod=9)
    heard_two["metadata"]["finalizers"] = ["example.com/held"]
    installed.until(
        "the webhook has heard of both",
        lambda: "already managed by the ScaledObject 'one'" in webhooks.refusal(heard_two),
        15,
    )
    installed.patch("scaledobject", "two", {"metadata": {"finalizers": None}})


def test_scaled_jobs_authentications_and_sources_of_events_are_judged_too(
    webhooks: InstalledWebhooks,
) -> None:
    template = {"spec": {"containers": [{"name": "work", "image": "busybox"}], "restartPolicy": "Never"}}
    twice = {**CLOCK, "name": "same"}
    job = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "job"},
        "spec": {"jobTargetRef": {"template": template}, "triggers": [twice, twice]},
    }
    said = webhooks.refusal(job)
    assert 'admission webhook "vscaledjob.kb.io" denied the request: ' in said
    assert "must be unique" in said
    for kind, name in (
        ("TriggerAuthentication", "vtriggerauthentication.kb.io"),
        ("ClusterTriggerAuthentication", "vclustertriggerauthentication.kb.io"),
    ):
        identity = {"provider": "azure-workload", "identityId": ""}
        said = webhooks.refusal(
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": kind,
                "metadata": {"name": f"refused-{webhooks.installed.namespace}"},
                "spec": {"podIdentity": identity},
            }
        )
        assert f'admission webhook "{name}" denied the request: ' in said
        assert "identityId of PodIdentity should not be empty" in said
    for kind in ("CloudEventSource", "ClusterCloudEventSource"):
        types = {"includedEventTypes": ["keda.scaledobject.ready.v1"]}
        types["excludedEventTypes"] = ["keda.scaledobject.failed.v1"]
        said = webhooks.refusal(
            {
                "apiVersion": "eventing.keda.sh/v1alpha1",
                "kind": kind,
                "metadata": {"name": f"refused-{webhooks.installed.namespace}"},
                "spec": {"destination": {"http": {"uri": "http://x.example"}}, "eventSubscription": types},
            }
        )
        assert f'admission webhook "v{kind.lower()}.kb.io" denied the request: ' in said
        assert "setting included types and excluded types at the same time is not supported" in said


def test_what_was_judged_is_counted_as_keda_does(webhooks: InstalledWebhooks) -> None:
    assert webhooks.refusal(scaled("counted")) == ""
    wrong = scaled("counted-not", idleReplicaCount=3, minReplicaCount=2)
    assert webhooks.refusal(wrong) != ""
    namespace, shown = webhooks.installed.namespace, webhooks.metrics()
    judged = f'keda_webhook_scaled_object_validations_total{{namespace="{namespace}",action="create"}} '
    assert judged in shown
    assert (
        "keda_webhook_scaled_object_validation_errors_total"
        f'{{namespace="{namespace}",action="create",reason="incorrect-replicas"}} '
    ) in shown


def test_a_dry_run_is_judged_as_the_write_would_be(webhooks: InstalledWebhooks) -> None:
    def dry(object: Object) -> str:
        return webhooks.applied(object, "--dry-run=server")

    assert "created (server dry run)" in dry(scaled("dry", minReplicaCount=1, triggers=[CPU]))
    assert DENIED in dry(scaled("dry", idleReplicaCount=3, minReplicaCount=2))


def test_new_certificates_are_taken_without_a_restart_and_no_call_fails(webhooks: InstalledWebhooks) -> None:
    """The order of a rotation: trust both, then serve the new one, then trust it alone."""
    installed, new = webhooks.installed, Maker()
    wrong = scaled("rotating", idleReplicaCount=3, minReplicaCount=2)
    webhooks.register(new.trust + webhooks.maker.trust, failure_policy="Fail")
    assert DENIED in webhooks.refusal(wrong)
    pair = new.pair(*service_names(SERVICE, installed.namespace, "cluster.local"))
    write(webhooks.folder, new.trust + webhooks.maker.trust, pair)
    before = webhooks.program.log().count("certificates taken")

    def is_taken() -> bool:
        # Each call in between is answered: by the policy, one that failed would say so.
        assert DENIED in webhooks.refusal(wrong)
        return webhooks.program.log().count("certificates taken") > before

    installed.until("the new files are taken", is_taken, 30)
    webhooks.register(new.trust, failure_policy="Fail")
    assert DENIED in webhooks.refusal(wrong)
    webhooks.maker = new


def test_while_the_webhook_is_down_objects_are_taken(webhooks: InstalledWebhooks) -> None:
    webhooks.register(webhooks.maker.trust)
    wrong = scaled("unjudged", idleReplicaCount=3, minReplicaCount=2)
    assert webhooks.refusal(wrong) != ""
    assert webhooks.program.stop() == 0
    assert webhooks.refusal(wrong) == ""
    webhooks.program.start()
    wrong["spec"]["cooldownPeriod"] = 5
    webhooks.installed.until("it is asked again", lambda: webhooks.refusal(wrong) != "", 15)
