"""What release.yml and image.yml promise by their form: the queue, the rights, and who may write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

WORKFLOWS = Path(__file__).parents[2] / ".github/workflows"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOWS / name)
    return found


def test_releases_queue_and_none_is_cancelled() -> None:
    assert load("release.yml")["concurrency"] == {"group": "release", "cancel-in-progress": False, "queue": "max"}
    assert "concurrency" not in load("image.yml")


def test_the_job_that_scores_cannot_write() -> None:
    assert set(load("image.yml")["jobs"]["gate"]["permissions"].values()) == {"read"}


@pytest.mark.parametrize("right", ["packages", "id-token", "attestations"])
def test_only_the_build_may_push_and_sign(right: str) -> None:
    jobs = {
        **load("image.yml")["jobs"],
        **{name: job for name, job in load("release.yml")["jobs"].items() if "uses" not in job},
    }
    writers = {name for name, job in jobs.items() if job["permissions"].get(right) == "write"}
    assert writers == ({"build", "rollback"} if right == "packages" else {"build"})


def test_the_build_waits_for_a_pass() -> None:
    build = load("image.yml")["jobs"]["build"]
    assert build["needs"] == "gate"
    assert build["if"] == "needs.gate.result == 'success' && needs.gate.outputs.verdict == 'pass'"


def test_a_skipped_registration_is_no_reason_to_publish_where_there_is_a_server() -> None:
    condition = load("release.yml")["jobs"]["publish"]["if"]
    assert "needs.register.result == 'skipped' && vars.MLFLOW_TRACKING_URI == ''" in condition
    assert "needs.image.result == 'success'" in condition
