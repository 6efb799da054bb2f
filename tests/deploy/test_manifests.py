"""What deploy/ says about the service is so: routes, ports, variables, times, users. Run: pytest tests/deploy"""

from __future__ import annotations

import re

import pytest
import yaml
from tests.constants import ROOT

from seodang.service.http.request_guard import OPEN_PATHS
from seodang.service.lifecycle.draining import read_drain_seconds
from seodang.service.web_app import ROUTES

DEPLOY = ROOT / "deploy"
MARGIN_SECONDS = 10  # for BentoML to stop its processes


def read_seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def read_environment(container):
    return {entry["name"]: entry.get("value") for entry in container["env"]}


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_a_route_that_needs_no_key(container, probe):
    assert container[probe]["httpGet"]["path"] in OPEN_PATHS
    assert container[probe]["httpGet"]["port"] in [port["name"] for port in container["ports"]]


def test_the_pod_is_taken_out_of_service_when_it_stops_and_killed_only_when_it_hangs(container):
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_the_health_check_of_compose_asks_a_route_that_needs_no_key(compose):
    (path,) = re.findall(
        r"http://127\.0\.0\.1:3000(/\w+)", " ".join(compose["services"]["seodang"]["healthcheck"]["test"])
    )
    assert path in OPEN_PATHS


def test_every_file_names_the_port_of_the_service(compose, manifests, container):
    from bentoml._internal.configuration.containers import BentoMLContainer

    port = BentoMLContainer.http.port.get()
    assert compose["services"]["seodang"]["ports"] == [f"${{SEODANG_ADDRESS:-127.0.0.1}}:{port}:{port}"]
    assert [item["containerPort"] for item in container["ports"]] == [port]
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    annotations = manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port)
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"][0]
    assert scrape["static_configs"] == [{"targets": [f"seodang:{port}"]}]
    assert scrape["metrics_path"] == annotations["prometheus.io/path"] == "/metrics"
    assert "/metrics" not in [path for _method, path, _endpoint in ROUTES]  # it would need a key


def test_every_variable_of_ours_is_one_that_the_code_reads(compose, container):
    names = {*compose["services"]["seodang"]["environment"], *read_environment(container)}
    ours = {name for name in names if name.startswith("SEODANG_")}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert "SEODANG_API_KEYS" in ours
    assert [name for name in ours if f'"{name}"' not in source] == []


def test_the_keys_are_a_file_that_is_mounted(compose, pod, container):
    service = compose["services"]["seodang"]
    assert service["environment"]["SEODANG_API_KEYS"] == f"file:/run/secrets/{service['secrets'][0]}"
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "keys"]
    secret = yaml.safe_load((DEPLOY / "kubernetes" / "api-keys.example.yaml").read_text("utf-8"))
    (key,) = secret["stringData"]
    assert read_environment(container)["SEODANG_API_KEYS"] == f"file:{mount['mountPath']}/{key}"
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "keys"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]


def test_the_example_of_the_keys_is_in_the_form_that_the_service_reads(tmp_path):
    from seodang.service.http.api_keys import ApiKeys

    secret = yaml.safe_load((DEPLOY / "kubernetes" / "api-keys.example.yaml").read_text("utf-8"))
    (tmp_path / "keys").write_text(secret["stringData"]["api_keys"], "utf-8")
    assert set(ApiKeys({"SEODANG_API_KEYS": f"file:{tmp_path / 'keys'}"}).load()) == {"web"}


def test_running_requests_have_time_to_finish(compose, pod, container):
    drain = read_drain_seconds({}) + MARGIN_SECONDS
    _sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + drain
    assert read_seconds(compose["services"]["seodang"]["stop_grace_period"]) >= drain


def test_containers_run_as_the_user_of_the_image_without_rights(compose, pod, container):
    from bentoml._internal.container.generate import DEFAULT_BENTO_ENVS

    user = DEFAULT_BENTO_ENVS["uid_gid"]
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (True, user, user)
    service = compose["services"]["seodang"]
    assert (service["user"], service["read_only"], service["cap_drop"]) == (f"{user}:{user}", True, ["ALL"])
    limits = container["securityContext"]
    assert (limits["readOnlyRootFilesystem"], limits["allowPrivilegeEscalation"]) == (True, False)
    assert limits["capabilities"] == {"drop": ["ALL"]}


def test_the_only_writable_folder_is_that_of_bentoml(compose, container):
    service = compose["services"]["seodang"]
    (tmpfs,) = service["tmpfs"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert mounts == [tmpfs.partition(":")[0]]
    assert service["environment"]["BENTOML_HOME"].startswith(mounts[0])
    assert read_environment(container)["BENTOML_HOME"] == service["environment"]["BENTOML_HOME"]


def test_everything_has_limits(compose, container):
    assert set(container["resources"]["limits"]) >= {"cpu", "memory"}
    for service in compose["services"].values():
        assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}


def test_no_image_floats(compose):
    images = [re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", service["image"]) for service in compose["services"].values()]
    images = [image for image in images if not image.startswith("${SEODANG_IMAGE:?")]
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "kustomization.yaml").read_text("utf-8"))
    images += [f"{image['newName']}:{image['newTag']}" for image in kustomization["images"]]
    assert len(images) == 3
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+", image) and not image.endswith(":latest") for image in images)


def test_the_image_of_the_deployment_is_one_that_kustomize_replaces(container):
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "kustomization.yaml").read_text("utf-8"))
    assert [image["name"] for image in kustomization["images"]] == [container["image"]]


def test_the_autoscaler_reads_a_metric_that_the_adapter_gives(manifests):
    spec = manifests["HorizontalPodAutoscaler"]["spec"]
    (rule,) = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text("utf-8"))["rules"]["custom"]
    assert [metric["pods"]["metric"]["name"] for metric in spec["metrics"]] == [rule["name"]["as"]]
    assert spec["scaleTargetRef"]["name"] == manifests["Deployment"]["metadata"]["name"]


def test_one_pod_may_always_be_evicted(manifests):
    budget = manifests["PodDisruptionBudget"]["spec"]["minAvailable"]
    assert budget < manifests["HorizontalPodAutoscaler"]["spec"]["minReplicas"]
    assert budget < manifests["Deployment"]["spec"]["replicas"]


def test_the_service_reaches_no_network(manifests):
    policy = manifests["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []


def test_every_selector_finds_the_pods_of_the_deployment(manifests):
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_every_file_that_compose_mounts_exists(compose):
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) == 4
    assert [file for file in files if not (DEPLOY / file).is_file()] == []
