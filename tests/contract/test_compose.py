"""monitoring/compose.yaml: pinned, hardened, health-checked, on this machine only, and every file it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

MONITORING = Path(__file__).parents[2] / "monitoring"
yaml = YAML(typ="safe")
COMPOSE: dict[str, Any] = yaml.load(MONITORING / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RECEIVERS = sorted((MONITORING / "alertmanager").glob("*.yml"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_hardened_and_health_checked(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(
        r"[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?|\$\{LOCKGATE_IMAGE:-[\w:]+\}", service["image"]
    )
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0:")
    assert service["mem_limit"]
    assert {"test", "interval", "timeout", "start_period", "retries"} == set(service["healthcheck"])


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not any("network_mode" in service or "privileged" in service for service in SERVICES.values())


def test_what_is_mounted_is_there_and_only_data_can_be_written() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    for source, _, *mode in mounts:
        if source.startswith("."):
            assert mode == ["ro"]
            assert source == "../reports" or (MONITORING / source).exists()
        else:
            assert source in COMPOSE["volumes"]


def test_names_and_ports_are_those_of_the_configurations() -> None:
    prometheus = yaml.load(MONITORING / "prometheus" / "prometheus.yml")
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    assert jobs["lockgate"]["dns_sd_configs"][0]["names"] == ["api"]
    assert prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    (source,) = yaml.load(MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.load(MONITORING / "grafana" / "provisioning" / "dashboards" / "lockgate.yml")["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert {"api", "receiver", "alertmanager", "prometheus"} <= set(SERVICES)


def test_examples_differ_from_what_is_shipped_in_where_alerts_go_and_nothing_else() -> None:
    assert [path.stem for path in RECEIVERS] == ["github", "log", "mail", "slack"]
    shipped = yaml.load(MONITORING / "alertmanager" / "log.yml")
    for path in RECEIVERS:
        example = yaml.load(path)
        assert example["inhibit_rules"] == shipped["inhibit_rules"]
        own = [route for route in example["route"].pop("routes") if route.get("receiver") != "github"]
        assert own == shipped["route"]["routes"]
        assert {**example["route"], "receiver": "log"} == {
            name: value for name, value in shipped["route"].items() if name != "routes"
        }
        for receiver in example["receivers"]:
            assert receiver["webhook_configs"][0] == {"url": "http://receiver:9095/log"}
