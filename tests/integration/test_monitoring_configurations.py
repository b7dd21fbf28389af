"""The configurations under the programs that read them: docker compose, promtool and amtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"


def run(*command: str | Path, content: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=content, capture_output=True, text=True, check=False, cwd=MONITORING)


def system_packages(*names: str) -> None:
    subprocess.run([ROOT / "scripts" / "system-packages", *names], check=True)


@pytest.mark.parametrize("path", sorted((MONITORING / "alertmanager").glob("*.yml")), ids=lambda path: path.stem)
def test_alertmanager_takes_every_configuration(path: Path) -> None:
    system_packages("prometheus-alertmanager")
    done = run("amtool", "check-config", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("example", "labels", "receivers"),
    [
        ("github", ["alertname=LockgateLiveDrift", "severity=page"], "github"),
        ("github", ["alertname=LockgateErrors", "severity=page"], "log"),
        ("mail", ["alertname=LockgateLiveDrift", "severity=page"], "mail"),
        ("slack", ["alertname=LockgateNoTraffic", "severity=ticket"], "slack"),
    ],
)
def test_alerts_are_routed_to_whom_they_concern(example: str, labels: list[str], receivers: str) -> None:
    system_packages("prometheus-alertmanager")
    configuration = f"--config.file={MONITORING / 'alertmanager' / example}.yml"
    done = run("amtool", "config", "routes", "test", configuration, *labels)
    assert done.stdout.split() == [receivers], done.stderr


def test_prometheus_takes_its_configuration() -> None:
    system_packages("prometheus")
    done = run("promtool", "check", "config", "--lint=all", "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_takes_the_file() -> None:
    content = (MONITORING / "compose.yaml").read_text()
    if shutil.which("docker") and run("docker", "compose", "version").returncode == 0:
        command = ["docker", "compose"]
    else:
        system_packages("docker-compose")
        command = ["docker-compose"]
        content = content.replace(
            "\nname: lockgate\n", "\n"
        )  # Debian's is of 2021 and does not know the project's name
    done = run(*command, "--project-directory", MONITORING, "-f", "-", "config", "--quiet", content=content)
    assert done.returncode == 0, done.stderr
    schema = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    assert schema.returncode == 0, schema.stdout
