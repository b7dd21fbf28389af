"""deploy/kubernetes: valid for every Kubernetes that is promised, and one with the service, its image and the monitoring."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import kubernetes_validate.utils
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from lockgate.cli.serve import serve
from lockgate.service.api.bearer_token import OPEN_PATHS
from lockgate.service.http.worker_process import LAST_SECONDS
from lockgate.service.metrics.layouts import ROUTES
from lockgate.service.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
yaml = YAML(typ="safe")
MANIFESTS: dict[str, dict[str, Any]] = {
    str(path.relative_to(FOLDER)): yaml.load(path)
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
}
KUSTOMIZATION: dict[str, Any] = yaml.load(FOLDER / "kustomization.yaml")
OPTIONS = dict(line.split("=", 1) for line in KUSTOMIZATION["configMapGenerator"][0]["literals"])
SPEC: dict[str, Any] = MANIFESTS["deployment.yaml"]["spec"]
POD: dict[str, Any] = SPEC["template"]["spec"]
(CONTAINER,) = POD["containers"]
PORTS: dict[str, int] = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
DOCKERFILE = (ROOT / "app/Dockerfile").read_text()
IMAGE_OPTIONS = dict(re.findall(r"(LOCKGATE_\w+)=(\S+)", DOCKERFILE))
IDENTITY = {"app.kubernetes.io/name": "lockgate", "app.kubernetes.io/component": "api"}
NOT_OF_KUBERNETES = {"PodMonitor", "HTTPRoute"}  # of the Prometheus Operator and of the Gateway API
OLDEST = (1, 30)
VERSIONS = sorted(
    minor
    for minor in {tuple(map(int, one.split(".")[:2])) for one in kubernetes_validate.utils.all_versions()}
    if minor >= OLDEST
)


def test_the_newest_schemas_and_the_oldest_promised_are_there() -> None:
    assert VERSIONS[0] == OLDEST
    assert "Kubernetes {}.{} and later".format(*OLDEST) in (ROOT / "docs/kubernetes.md").read_text().replace("\n", " ")
    assert len(VERSIONS) >= 8


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: "{}.{}".format(*version))
@pytest.mark.parametrize(
    "name", [name for name, manifest in MANIFESTS.items() if manifest["kind"] not in NOT_OF_KUBERNETES]
)
def test_a_manifest_is_valid(name: str, version: tuple[int, int]) -> None:
    wanted = "{}.{}".format(*version)
    assert kubernetes_validate.validate(MANIFESTS[name], wanted, strict=True).startswith(wanted)


def test_the_schemas_refuse_a_key_that_there_is_not() -> None:
    wrong = {**MANIFESTS["deployment.yaml"], "spec": {**SPEC, "minimumReadySeconds": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="minimumReadySeconds"):
        kubernetes_validate.validate(wrong, "{}.{}".format(*VERSIONS[-1]), strict=True)


def test_every_file_is_a_resource_or_an_option() -> None:
    assert {name for name in MANIFESTS if not name.startswith("options/")} == set(KUSTOMIZATION["resources"])
    assert len(MANIFESTS) - len(KUSTOMIZATION["resources"]) == 4
    for manifest in MANIFESTS.values():
        assert "namespace" not in manifest["metadata"]
        assert manifest["metadata"]["labels"] == IDENTITY


def test_whatever_selects_the_pods_selects_these() -> None:
    assert SPEC["template"]["metadata"]["labels"] == IDENTITY
    selectors = [
        SPEC["selector"]["matchLabels"],
        MANIFESTS["service.yaml"]["spec"]["selector"],
        MANIFESTS["pod-disruption-budget.yaml"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["options/pod-monitor.yaml"]["spec"]["selector"]["matchLabels"],
        *[spread["labelSelector"]["matchLabels"] for spread in POD["topologySpreadConstraints"]],
        *[
            manifest["spec"]["podSelector"]["matchLabels"]
            for manifest in MANIFESTS.values()
            if manifest["kind"] == "NetworkPolicy"
        ],
    ]
    assert selectors == [IDENTITY] * 8
    target = MANIFESTS["horizontal-pod-autoscaler.yaml"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lockgate"}
    assert "replicas" not in SPEC


def test_every_option_is_one_of_the_command() -> None:
    known = {variable for option in serve.params for variable in [option.envvar] if variable}
    assert set(OPTIONS) <= known
    assert set(IMAGE_OPTIONS) <= known
    assert "env" not in CONTAINER
    assert CONTAINER["envFrom"] == [{"configMapRef": {"name": KUSTOMIZATION["configMapGenerator"][0]["name"]}}]


def test_the_options_are_taken_as_they_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[Settings] = []
    monkeypatch.setattr("lockgate.service.http.supervisor.run", found.append)
    (tmp_path / "tokens").write_text("0123456789abcdef\n")
    variables = {**IMAGE_OPTIONS, **OPTIONS, "LOCKGATE_TOKEN_FILE": str(tmp_path / "tokens")}
    result = CliRunner(env=variables).invoke(serve, [])
    assert result.exit_code == 0, result.output
    (settings,) = found
    assert (settings.host, settings.admin_host, settings.admin_port) == ("0.0.0.0", "0.0.0.0", PORTS["admin"])  # noqa: S104
    assert settings.public_metrics is False
    assert settings.workers == 1
    assert settings.tokens


def test_no_variable_of_a_service_becomes_an_option() -> None:
    """A Service `lockgate` gives every later pod of its namespace LOCKGATE_PORT=tcp://10.0.0.1:80, unless that is off."""
    assert MANIFESTS["service.yaml"]["metadata"]["name"] == "lockgate"
    assert POD["enableServiceLinks"] is False
    result = CliRunner(env={"LOCKGATE_PORT": "tcp://10.0.0.1:80"}).invoke(serve, [])
    assert (result.exit_code, "'tcp://10.0.0.1:80' is not a valid integer" in result.stderr) == (2, True)


def test_ports_are_those_of_the_options() -> None:
    listening = {"http": IMAGE_OPTIONS["LOCKGATE_PORT"], "admin": OPTIONS["LOCKGATE_ADMIN_PORT"]}
    assert {name: str(port) for name, port in PORTS.items()} == listening
    assert "LOCKGATE_PORT" not in OPTIONS
    (port,) = MANIFESTS["service.yaml"]["spec"]["ports"]
    assert port["targetPort"] == "http"  # and the admin port is in no Service
    rule = MANIFESTS["options/ingress.yaml"]["spec"]["rules"][0]["http"]["paths"][0]
    assert rule["backend"]["service"] == {"name": "lockgate", "port": {"name": port["name"]}}
    (backend,) = MANIFESTS["options/http-route.yaml"]["spec"]["rules"][0]["backendRefs"]
    assert backend == {"name": "lockgate", "port": port["port"]}


def test_probes_ask_for_paths_that_need_no_token() -> None:
    paths = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/health", "port": "http"},
        "liveness": {"path": "/health", "port": "http"},
        "readiness": {"path": "/ready", "port": "http"},
    }
    assert {probe["path"] for probe in paths.values()} == OPEN_PATHS
    assert {probe["path"] for probe in paths.values()} <= set(ROUTES)


def test_the_grace_is_longer_than_all_that_an_end_takes() -> None:
    options = {**IMAGE_OPTIONS, **OPTIONS}
    seconds = [float(options[f"LOCKGATE_{name}_SECONDS"]) for name in ("DRAIN", "GRACE")]
    wait = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] >= wait + sum(seconds) + LAST_SECONDS
    # Whoever goes by /ready alone has heard of the end before the listener closes.
    readiness = CONTAINER["readinessProbe"]
    assert wait + seconds[0] > readiness["periodSeconds"] * readiness["failureThreshold"] + readiness["timeoutSeconds"]


def test_a_rollout_never_has_fewer_pods_than_before() -> None:
    assert SPEC["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert MANIFESTS["horizontal-pod-autoscaler.yaml"]["spec"]["minReplicas"] > 1
    assert MANIFESTS["pod-disruption-budget.yaml"]["spec"]["maxUnavailable"] == 1


def test_a_pod_can_do_as_little_as_its_image_needs() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user
    security = POD["securityContext"]
    assert [security["runAsUser"], security["runAsGroup"]] == [int(one) for one in user.groups()]
    assert security["fsGroup"] == security["runAsGroup"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(POD)
    assert set(CONTAINER["resources"]["limits"]) == {"memory"}


def test_what_is_mounted_is_where_the_options_look_for_it() -> None:
    mounts = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert set(mounts) == set(volumes) == {"decisions", "tokens"}
    assert mounts["decisions"]["mountPath"] == OPTIONS["LOCKGATE_DECISION_LOG"]
    claim = MANIFESTS["decision-log.yaml"]
    assert volumes["decisions"]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]  # of every replica
    (secret,) = KUSTOMIZATION["secretGenerator"]
    assert volumes["tokens"]["secret"]["secretName"] == secret["name"]
    assert [f"{mounts['tokens']['mountPath']}/{name}" for name in secret["files"]] == [OPTIONS["LOCKGATE_TOKEN_FILE"]]
    assert mounts["tokens"]["readOnly"] is True
    assert "/deploy/kubernetes/tokens" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_image_is_named_by_a_digest_that_has_to_be_filled_in() -> None:
    (image,) = KUSTOMIZATION["images"]
    assert image["name"] == CONTAINER["image"]
    assert image["digest"] == "sha256:" + 64 * "0"


def test_the_network_lets_in_the_proxy_and_prometheus_and_nothing_out() -> None:
    policy = MANIFESTS["network-policy.yaml"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "http"}], [{"port": "admin"}]]
    assert all(peer["namespaceSelector"]["matchLabels"] for rule in policy["ingress"] for peer in rule["from"])
    more = MANIFESTS["options/drift-url.yaml"]["spec"]
    assert more["policyTypes"] == ["Egress"]
    assert {port["port"] for rule in more["egress"] for port in rule["ports"]} == {53, 443}


def test_prometheus_asks_the_admin_port_under_the_name_of_the_rules() -> None:
    (endpoint,) = MANIFESTS["options/pod-monitor.yaml"]["spec"]["podMetricsEndpoints"]
    prometheus = yaml.load(ROOT / "monitoring/prometheus/prometheus.yml")
    assert (endpoint["port"], endpoint["path"]) == ("admin", "/metrics")
    assert endpoint["interval"] == prometheus["global"]["scrape_interval"]
    monitor = MANIFESTS["options/pod-monitor.yaml"]["spec"]
    (limit,) = [
        job["sample_limit"] for job in prometheus["scrape_configs"] if job["job_name"] == IDENTITY[monitor["jobLabel"]]
    ]
    assert monitor["sampleLimit"] == limit
    assert OPTIONS["LOCKGATE_ADMIN_HOST"] == IMAGE_OPTIONS["LOCKGATE_HOST"]
