"""`sign`, `register` and `pull` with keys: a registry, a cache or a disk in between need not be trusted."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import Run
from support import assert_refused, require, succeed, tree

from lockgate.config.files import sha256_file
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import VerdictStatement
from lockgate.documents.signature_json import GATE_VERDICT
from lockgate.model.bundle import verify_bundle
from lockgate.signature.signed_verdict import require_signed, verify_keys


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with two pairs of keys: `a.pem`, `a.pub`, `b.pem`, `b.pub`."""
    require("openssl")
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("a", "b"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / f"{name}.pem"], check=True)
        public = ["openssl", "pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub"]
        subprocess.run(public, check=True)
    return folder


def signer(project: Path, keys: Path, folder: str = "reports") -> str:
    """The key that signed the verdict in a folder, one of `a.pub`."""
    gate, digest = project / folder / "gate.json", verify_bundle(project / "models").digest
    envelope = gate.with_name("gate.json.dsse")
    trusted = verify_keys(str(keys / "a.pub"))
    return require_signed(envelope.read_bytes(), envelope, gate.read_bytes(), digest, trusted).keyid


def test_a_verdict_is_signed_after_it_was_decided_again(project: Path, run: Run, keys: Path) -> None:
    signed = succeed(run("sign", "--key", str(keys / "a.pem")))
    assert signer(project, keys)[:12] in signed.stdout


def test_a_new_verdict_takes_the_old_ones_signature_away(project: Path, run: Run, keys: Path) -> None:
    succeed(run("sign", "--key", str(keys / "a.pem")))
    succeed(run("gate"))
    assert not (project / "reports/gate.json.dsse").exists()


def test_a_verdict_that_the_scores_do_not_bear_out_is_not_signed(project: Path, run: Run, keys: Path) -> None:
    """Whoever may write the files may not have them signed: the key's owner scores the rows himself."""
    path = project / "reports/gate.json"
    gate = json.loads(path.read_bytes())
    gate["checks"] = [
        {**check, "value": check["value"] + 0.01} if check["kind"] == "floor" else check for check in gate["checks"]
    ]
    path.write_text(json.dumps(gate))
    assert_refused(run("sign", "--key", str(keys / "a.pem")), "gate.json")
    assert not (project / "reports/gate.json.dsse").exists()


def test_without_a_key_nothing_is_signed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKGATE_SIGNING_KEY", raising=False)
    refused = run("sign")
    assert refused.exit_code == 2
    assert "LOCKGATE_SIGNING_KEY" in refused.stderr


def test_what_was_signed_is_registered_pulled_and_believed(
    project: Path, run: Run, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKGATE_SIGNING_KEY", (keys / "a.pem").read_text())
    succeed(run("register", "--promote"))
    monkeypatch.delenv("LOCKGATE_SIGNING_KEY")
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "a.pub"))
    assert "signed by the key" in succeed(run("pull")).stdout
    signer(project, keys, "models")
    before = tree(project / "models")
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "b.pub"))
    assert_refused(run("pull"), "not signed by a key that is trusted here")
    assert tree(project / "models") == before
    # Who can write to the store exchanges the verdict's signature for his own.
    (stored,) = (project / "mlartifacts").rglob("gate.json.dsse")
    envelope = json.loads(stored.read_bytes())
    envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    stored.write_text(json.dumps(envelope))
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "a.pub"))
    assert_refused(run("pull"), "gate.json.dsse at")
    assert tree(project / "models") == before


def test_what_nobody_signed_is_not_pulled_until_it_is_signed_and_registered_again(
    project: Path, run: Run, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed(run("register", "--promote"))
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "a.pub"))
    assert_refused(run("pull"), "gate.json.dsse at", "is missing, so nobody signed this verdict")
    succeed(run("sign", "--key", str(keys / "a.pem")))
    succeed(run("register"))
    succeed(run("pull"))
    signer(project, keys, "models")


def test_pulling_an_unsigned_verdict_leaves_no_older_signature_beside_it(project: Path, run: Run) -> None:
    succeed(run("register", "--promote"))
    (project / "models/gate.json.dsse").write_text("{}")
    succeed(run("pull"))
    assert not (project / "models/gate.json.dsse").exists()


def test_no_command_believes_the_registry_without_a_signature_that_is_asked_for(
    project: Path, run: Run, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "a.pub"))
    assert_refused(run("register"), "is missing, so nobody signed this verdict")
    assert_refused(run("promote", "1"), "has no version 1")
    succeed(run("sign", "--key", str(keys / "a.pem")))
    succeed(run("register"))
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "b.pub"))
    assert_refused(run("promote", "1"), "not signed by a key that is trusted here")
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys / "a.pub"))
    succeed(run("promote", "1"))


WORKFLOW = "acme/credit/.github/workflows/attest.yml"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in of `gh` finds attestations; it verifies no signature."""
    monkeypatch.setenv("PATH", str(Path(__file__).parents[1] / "e2e/release_tools/gh_stand_in"), prepend=os.pathsep)
    monkeypatch.setenv("LOCKGATE_ACT_STATE", str(tmp_path))
    monkeypatch.setenv("GH_TOKEN", "a-token")
    (tmp_path / "attestations").mkdir()
    return tmp_path / "attestations"


def test_a_pull_can_ask_for_the_workflow_that_attested(project: Path, run: Run, records: Path) -> None:
    """Keyless: the registry is not trusted, GitHub and the workflow are. The verdict is held against the registered one."""
    succeed(run("register", "--promote"))
    before = tree(project / "models")
    assert_refused(run("pull", "--attested-by", WORKFLOW), "cannot verify the attestation", WORKFLOW)
    assert tree(project / "models") == before
    gate = project / "reports/gate.json"
    said = VerdictStatement(commit=None, gate_json=sha256_file(gate), gate=GateResult.read_file(gate))
    record = {
        "subject-name": "manifest.json",
        "subject-digest": f"sha256:{verify_bundle(project / 'models').digest}",
        "sbom-path": "",
        "predicate-type": GATE_VERDICT,
        "predicate-path-content": json.loads(said.to_bytes()),
        "repository": "acme/credit",
        "signer": f"{WORKFLOW}@refs/heads/main",
    }
    (records / "1.json").write_text(json.dumps(record))
    assert f"its verdict is attested by {WORKFLOW}" in succeed(run("pull", "--attested-by", WORKFLOW)).stdout
    refused = run("pull", "--attested-by", WORKFLOW, "--attested-in", "somebody/else")
    assert_refused(refused, "cannot verify the attestation")
