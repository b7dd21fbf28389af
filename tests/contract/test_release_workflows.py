"""What the workflows of a release promise by their form: the queue, the rights, who may write, and what waits for an approval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github/workflows"
OF_A_RELEASE = ("image.yml", "attest.yml", "production.yml", "publish-release.yml", "rollback.yml")


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOWS / name)
    return found


def jobs() -> dict[str, dict[str, Any]]:
    """Every job that runs steps, by its name: each has one of its own."""
    found = [(name, job) for file in OF_A_RELEASE for name, job in load(file)["jobs"].items() if "steps" in job]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_releases_queue_and_none_is_cancelled() -> None:
    assert load("release.yml")["concurrency"] == {"group": "release", "cancel-in-progress": False, "queue": "max"}
    assert not any("concurrency" in load(file) for file in OF_A_RELEASE)


def test_a_models_tag_starts_a_release_and_the_kits_own_does_not() -> None:
    assert load("release.yml")["on"]["push"] == {"tags": ["model-v[0-9]*"]}


@pytest.mark.parametrize("name", ["measure", "gate"])
def test_the_jobs_that_score_cannot_write(name: str) -> None:
    assert set(jobs()[name]["permissions"].values()) == {"read"}


@pytest.mark.parametrize(
    ("right", "names"),
    [
        ("packages", {"build", "production", "rollback"}),
        ("id-token", {"attest"}),
        ("attestations", {"attest"}),
        ("contents", {"publish", "rollback"}),
    ],
)
def test_each_right_to_write_is_one_jobs(right: str, names: set[str]) -> None:
    assert {name for name, job in jobs().items() if job["permissions"].get(right) == "write"} == names


def test_only_the_job_that_measures_runs_the_projects_code() -> None:
    """Every other one restores nothing, and has the kit alone."""
    for name, job in jobs().items():
        uses = [step.get("uses", "") for step in job["steps"]]
        assert ("$/.github/actions/train" in uses) == (name == "measure"), name
        assert (job.get("cache-mode") == "none") == (name != "measure"), name


def test_the_build_waits_for_a_pass() -> None:
    build = load("image.yml")["jobs"]["build"]
    assert build["needs"] == "gate"
    assert build["if"] == "needs.gate.result == 'success' && needs.gate.outputs.verdict == 'pass'"


def test_what_is_signed_is_what_this_file_had_judged_and_built() -> None:
    """Nobody hands an image, a digest or a predicate to the job that signs: it has them from the jobs before it."""
    attest = load("attest.yml")
    assert attest["jobs"]["image"]["uses"] == "$/.github/workflows/image.yml"
    assert set(attest["on"]["workflow_call"]["inputs"]) == set(attest["jobs"]["image"]["with"])
    assert attest["jobs"]["image"]["with"] == {
        name: f"${{{{ inputs.{name} }}}}" for name in load("image.yml")["on"]["workflow_call"]["inputs"]
    }
    given = [value for step in attest["jobs"]["attest"]["steps"] for value in step["with"].values()]
    assert not any("inputs." in value for value in given)


@pytest.mark.parametrize("name", ["production", "rollback"])
def test_what_moves_production_waits_for_an_approval(name: str) -> None:
    assert jobs()[name]["environment"] == "production"
    assert {other for other, job in jobs().items() if "environment" in job} == {"production", "rollback"}


def test_nothing_is_published_that_was_not_let_into_production() -> None:
    """No condition of their own: a job whose `needs` failed, were skipped or refused is skipped."""
    found = load("release.yml")["jobs"]
    assert (found["production"]["needs"], found["publish"]["needs"]) == ("image", ["image", "production"])
    assert not {"if"} & (found["production"].keys() | found["publish"].keys())


def test_the_image_has_one_name_wherever_it_is_named() -> None:
    build = next(step for step in jobs()["build"]["steps"] if step.get("id") == "build")
    assert build["with"]["image"] == jobs()["rollback"]["env"]["IMAGE"]


def test_the_signer_is_the_kits_own_file_wherever_it_is_called_from() -> None:
    for file in OF_A_RELEASE:
        text = (WORKFLOWS / file).read_text()
        assert "GITHUB_ACTION_REPOSITORY" not in text
        assert text.count("/.github/workflows/attest.yml\n") == text.count(
            "${{ job.workflow_repository }}/.github/workflows/attest.yml\n"
        )
