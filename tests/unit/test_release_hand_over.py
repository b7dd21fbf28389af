"""What the job that ships accepts from the job that decided: a missing, stale or forged verdict ships nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from releasing import (
    COMMIT,
    blocked_gate,
    carefully_forged_gate,
    forged_gate,
    passed_gate,
    said,
    small_bundle,
    write_gate,
)
from support import assert_refused, invoke

from lockgate.ci.release.gate_job import require_passed
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.release_json import ImageRecord


def test_a_pass_for_the_bundle_in_hand_is_accepted(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(bundle.digest))
    assert require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256)).verdict == "pass"


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", "", "Success"])
def test_a_gate_job_that_did_not_succeed_ships_nothing(tmp_path: Path, result: str) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(bundle.digest))
    with pytest.raises(GateBlockedError, match="not success"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256, result=result))


@pytest.mark.parametrize("verdict", ["block", "inconclusive", "", "PASS"])
def test_a_verdict_that_is_no_pass_ships_nothing(tmp_path: Path, verdict: str) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(bundle.digest))
    with pytest.raises(GateBlockedError, match="not pass"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256, verdict=verdict))


@pytest.mark.parametrize("missing", ["digest", "verdict_sha256"])
def test_outputs_that_are_missing_ship_nothing(tmp_path: Path, missing: str) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(bundle.digest))
    with pytest.raises(InputError, match="not a sha256"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256, **{missing: ""}))


def test_a_missing_file_ships_nothing(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    with pytest.raises(InputError, match="does not exist"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, "0" * 64))


def test_a_stale_verdict_of_another_bundle_ships_nothing(tmp_path: Path) -> None:
    bundle, other = small_bundle(tmp_path / "models"), small_bundle(tmp_path / "other", "two")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(other.digest))
    with pytest.raises(InputError, match="but the gate judged"):
        require_passed(bundle, tmp_path / "gate.json", said(other.digest, sha256))
    with pytest.raises(InputError, match="another model"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256))


@pytest.mark.parametrize("forge", [forged_gate, carefully_forged_gate, passed_gate])
def test_a_file_other_than_the_job_wrote_ships_nothing(tmp_path: Path, forge: Callable[[str], Any]) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", blocked_gate(bundle.digest))
    write_gate(tmp_path / "gate.json", forge(bundle.digest))
    with pytest.raises(InputError, match="not the file that the gate job wrote"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256))


@pytest.mark.parametrize("forge", [forged_gate, carefully_forged_gate, blocked_gate])
def test_a_forged_file_ships_nothing_even_with_its_own_sha256(tmp_path: Path, forge: Callable[[str], Any]) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", forge(bundle.digest))
    with pytest.raises(GateBlockedError, match=r"gate\.json (is not believed|says block, not pass)"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256))


def test_a_verdict_on_other_settings_is_refused(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    sha256 = write_gate(tmp_path / "gate.json", passed_gate(bundle.digest) | {"params": "f" * 64})
    with pytest.raises(InputError, match="a model of other settings"):
        require_passed(bundle, tmp_path / "gate.json", said(bundle.digest, sha256))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"record": "f" * 64}, ("is the model", "but the image has ffffffffffff")),
        ({"model": "f" * 64}, ("a verdict on another model",)),
        ({"params": "f" * 64}, ("a model of other settings",)),
    ],
)
def test_what_is_published_is_one_model(tmp_path: Path, changed: dict[str, str], words: tuple[str, ...]) -> None:
    bundle = small_bundle(tmp_path / "models")
    params = {"params": changed["params"]} if "params" in changed else {}
    write_gate(tmp_path / "reports/gate.json", passed_gate(changed.get("model", bundle.digest)) | params)
    model = changed.get("record", bundle.digest)
    image = ImageRecord(image="ghcr.io/a/b", digest=f"sha256:{'1' * 64}", model=model, commit=COMMIT)
    (tmp_path / "image").mkdir()
    (tmp_path / "image/image.json").write_bytes(image.to_bytes())
    published = invoke(
        tmp_path, "release", "publish", "model-v1.0.0", "--latest", "--signer-workflow", "x", "--work", "image"
    )
    assert_refused(published, *words)
