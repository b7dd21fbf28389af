"""The configurations under the programs that read them: docker compose, promtool and amtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support import require

MONITORING = Path(__file__).parents[2] / "monitoring"


def run(*command: str | Path, content: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=content, capture_output=True, text=True, check=False, cwd=MONITORING)


@pytest.mark.parametrize("path", sorted((MONITORING / "alertmanager").glob("*.yml")), ids=lambda path: path.stem)
def test_alertmanager_takes_every_configuration(path: Path) -> None:
    require("amtool")
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
    require("amtool")
    configuration = f"--config.file={MONITORING / 'alertmanager' / example}.yml"
    done = run("amtool", "config", "routes", "test", configuration, *labels)
    assert done.stdout.split() == [receivers], done.stderr


def test_prometheus_takes_its_configuration() -> None:
    require("promtool")
    done = run("promtool", "check", "config", "--lint=all", "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_takes_the_file() -> None:
    content = (MONITORING / "compose.yaml").read_text()
    if shutil.which("docker") and run("docker", "compose", "version").returncode == 0:
        command = ["docker", "compose"]
    else:
        require("docker-compose")
        command = ["docker-compose"]
        content = content.replace(
            "\nname: lockgate\n", "\n"
        )  # Debian's is of 2021 and does not know the project's name
    done = run(*command, "--project-directory", MONITORING, "-f", "-", "config", "--quiet", content=content)
    assert done.returncode == 0, done.stderr
    schema = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    assert schema.returncode == 0, schema.stdout
