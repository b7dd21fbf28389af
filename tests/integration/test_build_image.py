"""The action build-image against a real registry: what it refuses pushes nothing, and a killed attempt ends the same.

docker and gh are stand-ins (tests/e2e/release_tools); skopeo, the registry, the bundle, its service and the golden
rows are real. The last test, which `scripts/image release` runs, has a real docker as well.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from local_registry import Registry, registry
from releasing import COMMIT, blocked_gate, carefully_forged_gate, forged_gate, write_gate
from support import edit_params, invoke, sample

from lockgate.config.files import sha256_file
from lockgate.model.bundle import verify_bundle

if TYPE_CHECKING:
    from fake_github import FakeGitHub

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github/actions/build-image"
TOOLS = ROOT / "tests/e2e/release_tools"
IMAGE = "acme/credit"
STEPS = ("build", "attest", "verify", "tag", "publish")
SIGNER = "acme/kit/.github/workflows/attest.yml"


@pytest.fixture(scope="module")
def local_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@dataclass
class Release:
    """A release of one commit, attempted step by step as the workflow does."""

    project: Path
    fake: FakeGitHub
    where: Registry
    name: str
    tag: str = "model-v1.0.0"
    inputs: dict[str, str] = field(default_factory=dict)
    stand_ins: tuple[str, ...] = ("docker_stand_in", "gh_stand_in")
    said: str = ""

    @property
    def image(self) -> str:
        return f"{self.where.address}/{self.name}"

    @property
    def tags(self) -> dict[str, str]:
        return self.where.tags(self.name)

    @property
    def state(self) -> Path:
        return self.project / ".state"

    def environment(self) -> dict[str, str]:
        files = {name: str(self.state / name) for name in ("output", "summary")}
        bundle = verify_bundle(self.project / "models")
        gate = self.project / "reports/gate.json"
        inputs = {
            "bin": str(Path(sys.executable).parent), "tag": self.tag, "bundle": "models", "verdict": "reports/gate.json",
            "gate-result": "success", "gate-verdict": "pass", "digest": bundle.digest,
            "verdict-digest": sha256_file(gate) if gate.is_file() else "0" * 64, "image": self.image,
            "registry-username": "x", "registry-password": "", "dockerfile": "", "base": "some-base", "attest": "true",
            "signer-workflow": SIGNER, **self.inputs,
        }  # fmt: skip
        return {
            **os.environ,
            "PATH": ":".join([*(str(TOOLS / one) for one in self.stand_ins), os.environ["PATH"]]),
            "DOCKER_STAND_IN": str(self.state / "docker"),
            "DOCKER_STAND_IN_PYTHON": sys.executable,
            "LOCKGATE_ACT_STATE": str(self.state),
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_OUTPUT": files["output"],
            "GITHUB_STEP_SUMMARY": files["summary"],
            "GITHUB_REPOSITORY": "acme/credit",
            "GITHUB_SHA": COMMIT,
            "GH_TOKEN": "of-this-job",
            "RUNNER_TEMP": str(self.state),
            **{f"LOCKGATE_{name.upper().replace('-', '_')}": value for name, value in inputs.items()},
        }

    def run(self, *command: str) -> bool:
        self.state.mkdir(exist_ok=True)
        ran = subprocess.run(
            command, cwd=self.project, env=self.environment(), capture_output=True, text=True, check=False
        )
        self.said += ran.stdout + ran.stderr
        return ran.returncode == 0

    def outputs(self) -> dict[str, str]:
        found: dict[str, str] = {}
        lines = iter((self.state / "output").read_text().splitlines())
        for line in lines:
            name, separator, value = line.partition("=")
            if "<<" in name or not separator:
                name, value = line.partition("<<")[0], next(lines)
                next(lines)
            found[name] = value
        return found

    def attempt(self, until: str = "publish") -> bool:
        """Run the steps up to `until`, from the first on, as a run and a rerun do; whether all went well."""
        shutil.rmtree(self.state / "lockgate-image", ignore_errors=True)
        (self.state / "output").unlink(missing_ok=True)
        return self.steps(*STEPS[: STEPS.index(until) + 1])

    def steps(self, *names: str) -> bool:
        """Run these steps on what those before them left; whether all went well."""
        return all(getattr(self, f"_{step}")() for step in names)

    def _build(self) -> bool:
        return self.run(str(ACTION / "run.sh"))

    def _attest(self) -> bool:
        outputs = self.outputs()
        folder = self.state / "attestations"
        folder.mkdir(exist_ok=True)
        work = Path(outputs["work"])
        base = {"subject-name": outputs["image"], "subject-digest": outputs["image-digest"], "repository": "acme/credit",
                "signer": f"{SIGNER}@{COMMIT}", "commit": COMMIT, "sbom-path": "", "predicate-type": ""}  # fmt: skip
        sbom, verdict = (json.loads((work / name).read_text()) for name in ("sbom.cdx.json", "verdict.json"))
        passed = {"predicate-type": "urn:lockgate:gate-verdict:2", "predicate-path-content": verdict}
        bundle = {"subject-name": "manifest.json", "subject-digest": f"sha256:{self.environment()['LOCKGATE_DIGEST']}"}
        for more in ({}, {"sbom-path": "x", "sbom-path-content": sbom}, passed, bundle | passed):
            (folder / f"{len(list(folder.iterdir())):03}.json").write_text(json.dumps(base | more))
        return True

    def _production(self, command: str) -> bool:
        """As production.yml does it, in a job without a checkout."""
        attest = ["--unattested"] if self.inputs.get("attest") == "false" else []
        return self.run(
            "lockgate", "release", command, self.tag, "--signer-workflow", SIGNER, *attest, "--work", self.outputs()["work"]
        )  # fmt: skip

    def _verify(self) -> bool:
        return self._production("verify-image")

    def _tag(self) -> bool:
        return self._production("tag-image")

    def _publish(self) -> bool:
        outputs = self.outputs()
        latest = "--latest" if outputs["stable"] == "true" else "--not-latest"
        command = ("release", "publish", self.tag, latest, "--signer-workflow", SIGNER, "--work", outputs["work"])
        result = invoke(self.project, *command)
        self.said += result.output
        return result.exit_code == 0


@pytest.fixture
def release(
    project: Path,
    fake_github: FakeGitHub,
    local_registry: Registry,
    request: pytest.FixtureRequest,
) -> Release:
    """A release of the small project's model, into a repository of its own."""
    name = f"acme/{abs(hash(request.node.name)) % 10**10}"
    return Release(project, fake_github, local_registry, name)


def released(release: Release) -> tuple[dict[str, str], dict[str, Any]]:
    [published] = release.fake.state["releases"]
    assets = {a["name"]: base64.b64decode(a["content"]) for a in release.fake.state["assets"]}
    assert not published["draft"]
    return release.tags, json.loads(assets["digests.json"])


def test_a_release_is_pushed_attested_tagged_and_published(release: Release) -> None:
    assert release.attempt("build"), release.said
    assert release.where.repositories.count(release.name) == 1
    assert release.tags == {}  # by digest, and not under any tag yet
    assert release.steps(*STEPS[1:]), release.said
    tags, digests = released(release)
    assert set(tags) == {"v1.0.0", "v1.0", "stable"}
    assert set(tags.values()) == {digests["image_digest"]}
    assert digests["model"] == verify_bundle(release.project / "models").digest
    assert {asset["name"] for asset in release.fake.state["assets"]} == {
        "bundle.tar.gz", "digests.json", "gate.json", "metrics.json", "model-card.md", "sbom.cdx.json"}  # fmt: skip
    sbom = json.loads((release.state / "lockgate-image/sbom.cdx.json").read_text())
    named = {component["name"] for component in sbom["components"]}
    assert {"onnxruntime", "numpy", "libc6"} <= named
    assert sbom["serialNumber"].startswith("urn:uuid:")
    assert sbom["metadata"]["component"]["version"] == digests["image_digest"]


@pytest.mark.full
@pytest.mark.parametrize("killed_after", sample(["tag", "publish"], 1))
def test_a_tagged_image_is_the_releases_however_often_it_runs(release: Release, killed_after: str) -> None:
    assert release.attempt(killed_after), release.said
    before = release.tags
    assert release.attempt(), release.said
    assert release.tags == before
    assert len(set(before.values())) == 1


@pytest.mark.full
def test_a_refused_approval_leaves_no_trace_and_confuses_no_later_release(release: Release) -> None:
    """The job of production never began: what is in the registry has no tag, and there is no Release."""
    assert release.attempt("attest"), release.said
    assert release.tags == {}
    assert not release.fake.state.get("releases")
    again = release.outputs()["image-digest"]
    assert release.attempt("attest"), release.said
    assert release.outputs()["image-digest"] != again  # nothing was given to anybody, so nothing has to be kept
    edit_params(release.project, gate={"champion": {"source": "base"}})
    later = Release(release.project, release.fake, release.where, release.name, "model-v1.1.0")
    champion = later.run(
        "lockgate", "release", "champion", later.tag, "--output", str(later.state / "champion.parquet")
    )
    assert champion, later.said
    assert "there is no earlier release: this is the first model" in later.said
    assert later.attempt(), later.said
    assert set(later.tags) == {"v1.1.0", "v1.1", "stable"}


REFUSALS: dict[str, tuple[dict[str, str], str]] = {
    "skipped": ({"gate-result": "skipped"}, "not success"),
    "cancelled": ({"gate-result": "cancelled"}, "not success"),
    "failed": ({"gate-result": "failure"}, "not success"),
    "no result": ({"gate-result": ""}, "not success"),
    "blocked": ({"gate-verdict": "block"}, "not pass"),
    "no verdict": ({"gate-verdict": ""}, "not pass"),
    "another digest": ({"digest": "f" * 64}, "but the gate judged"),
    "text": ({"digest": '$(touch owned)"; curl x'}, "not a sha256"),
    "not its own": ({"verdict-digest": "f" * 64}, "not the file that the gate job wrote"),
    "tag": ({"tag": 'model-v1.0.0"; touch owned; "'}, "not model- and a semantic version"),
    "image": ({"image": "127.0.0.1/x;touch owned"}, "no image repository"),
}


@pytest.mark.parametrize("case", sample(REFUSALS, 4))
def test_what_is_handed_over_wrongly_pushes_nothing(release: Release, case: str) -> None:
    changed, words = REFUSALS[case]
    release.inputs |= changed
    assert not release.attempt("build")
    assert words in release.said
    assert not (release.project / "owned").exists()
    assert release.name not in release.where.repositories


@pytest.mark.parametrize(
    ("forge", "with_its_own_sha256"),
    sample(product((forged_gate, carefully_forged_gate, blocked_gate), (True, False)), 2),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_forged_verdict_pushes_nothing(release: Release, forge: Any, with_its_own_sha256: bool) -> None:
    gate = release.project / "reports/gate.json"
    if not with_its_own_sha256:
        release.inputs["verdict-digest"] = sha256_file(gate)
    write_gate(gate, forge(verify_bundle(release.project / "models").digest))
    assert not release.attempt("build")
    assert release.name not in release.where.repositories


def test_a_missing_verdict_pushes_nothing(release: Release) -> None:
    (release.project / "reports/gate.json").unlink()
    assert not release.attempt("build")
    assert release.name not in release.where.repositories


def test_an_image_that_answers_wrongly_is_not_pushed(release: Release) -> None:
    """`lockgate smoke` has tests of its own; here it finds a difference, as it does with exit code 3."""
    real = Path(sys.executable).parent
    wrapped = release.project / "bin"
    wrapped.mkdir()
    (wrapped / "lockgate").write_text(f'#!/bin/sh\n[ "$1" != smoke ] || exit 3\nexec {real}/lockgate "$@"\n')
    (wrapped / "lockgate").chmod(0o755)
    release.inputs["bin"] = str(wrapped)
    assert not release.attempt("build")
    assert "does not answer as its bundle says" in release.said
    assert not list((release.state / "docker/containers").iterdir())
    assert release.name not in release.where.repositories


@pytest.mark.full
def test_unattested_images_are_not_tagged(release: Release) -> None:
    assert release.attempt("build"), release.said
    assert not release._verify()
    assert not release._tag()
    assert "no attestations found" in release.said
    assert release.tags == {}


@pytest.mark.full
def test_a_tag_of_another_image_is_an_error(release: Release) -> None:
    assert release.attempt(), release.said
    before = release.tags
    other = Release(release.project, release.fake, release.where, release.name, "model-v1.0.1")
    assert other.attempt("attest"), other.said
    assert other.outputs()["image-digest"] not in before.values()
    other.tag = "model-v1.0.0"
    assert not other._tag()
    assert "never moves" in other.said
    assert release.tags == before


def test_an_image_signed_by_another_workflow_is_not_tagged(release: Release) -> None:
    assert release.attempt("attest"), release.said
    for file in (release.state / "attestations").iterdir():
        file.write_text(
            file.read_text().replace("acme/kit/.github/workflows/attest.yml", "acme/credit/.github/workflows/x.yml")
        )
    assert not release._tag()
    assert "no matching certificate identity" in release.said
    assert release.tags == {}


@pytest.mark.full
def test_a_tag_that_somebody_else_pushed_is_not_taken_for_ours(release: Release) -> None:
    """Rightly labelled, but nothing is attested to it: whoever may push cannot make us sign."""
    assert release.attempt("build"), release.said
    record = json.loads((release.state / "lockgate-image/image.json").read_text())
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"]
    source, target = f"docker://{release.image}@{record['digest']}", f"docker://{release.image}:v1.0.0"
    subprocess.run(["skopeo", "copy", "--quiet", *tls, source, target], check=True)
    assert not release.attempt("build")
    assert "no attestations found" in release.said


@pytest.mark.full
def test_without_attestations_where_that_was_asked_for(release: Release) -> None:
    release.inputs["attest"] = "false"
    assert release.attempt("build"), release.said
    assert release._tag(), release.said
    assert "v1.0.0" in release.tags
    assert "::warning::" in release.said
    # Until the release is published, nobody can tell that tag from somebody else's.
    kept = shutil.copytree(
        release.state, release.project / "kept"
    )  # as artifacts, for whoever runs only the failed jobs
    assert not release.attempt("build")
    assert "is there, unattested, and no release of model-v1.0.0 names it" in release.said
    shutil.copytree(kept, release.state, dirs_exist_ok=True)
    assert release._verify(), release.said
    assert release._publish(), release.said
    assert release.attempt("build"), release.said


@pytest.fixture
def two_releases(release: Release) -> Release:
    """v1.0.0, then v1.1.0, of which the newer is in production; the one in hand is the older."""
    assert release.attempt(), release.said
    newer = Release(release.project, release.fake, release.where, release.name, "model-v1.1.0")
    assert newer.attempt(), newer.said
    assert release.tags["stable"] == release.tags["v1.1.0"] != release.tags["v1.0.0"]
    return release


def roll_back(release: Release, tag: str) -> bool:
    command = ("lockgate", "release", "roll-back", tag, "--image", release.image, "--signer-workflow", SIGNER)
    return release.run(*command)


@pytest.mark.full
def test_rolling_back_makes_the_older_image_stable_and_the_latest(two_releases: Release) -> None:
    before = two_releases.tags
    assert roll_back(two_releases, "model-v1.0.0"), two_releases.said
    assert two_releases.tags == {**before, "stable": before["v1.0.0"]}
    [older] = [one for one in two_releases.fake.state["releases"] if one["tag_name"] == "model-v1.0.0"]
    assert two_releases.fake.state["latest"] == older["id"]
    # Running the newer release again is no way forward: that takes a dispatch, or a new version.
    newer = Release(two_releases.project, two_releases.fake, two_releases.where, two_releases.name, "model-v1.1.0")
    assert newer.attempt("tag"), newer.said
    assert two_releases.tags["stable"] == before["v1.0.0"]
    # A tag that somebody moved is not what shipped.
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"]
    image = f"docker://{two_releases.image}"
    subprocess.run(["skopeo", "copy", "--quiet", *tls, f"{image}:v1.0.0", f"{image}:v1.1.0"], check=True)
    assert not roll_back(two_releases, "model-v1.1.0")
    assert "but the release shipped" in two_releases.said
    assert not roll_back(two_releases, "model-v0.9.0")
    assert "model-v0.9.0 is not a published release; published are model-v1.0.0, model-v1.1.0" in two_releases.said
    assert two_releases.tags["stable"] == before["v1.0.0"]


@pytest.mark.docker
def test_a_real_image_is_released_and_found_again(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under scripts/with-docker, on a base that is pulled or made; attestation alone is still a stand-in."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from imaging.base import some_base

    release.inputs["base"] = some_base()
    release.stand_ins = ("gh_stand_in",)
    assert release.attempt(), release.said
    tags, digests = released(release)
    assert set(tags.values()) == {digests["image_digest"]}
    sbom = json.loads((release.state / "lockgate-image/sbom.cdx.json").read_text())
    named = {component["name"] for component in sbom["components"]}
    assert {"onnxruntime", "numpy", "fastapi", "libc6"} <= named
    assert not {"mlflow", "pandas", "dvc"} & named
    assert release.attempt("tag"), release.said
    assert release.tags == tags
