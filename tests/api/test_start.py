"""What is not served: every reason is one line and exit code 2, before anything listens."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from serving import Server, change_bundle
from support import assert_refused, invoke
from verdicts import check, verdict

from lockgate.config.errors import InputError
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.service.application import create_app
from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings, settings_of_environment
from lockgate.service.worker import Worker
from lockgate.signature.ed25519 import SigningKey
from lockgate.signature.signed_verdict import sign_verdict


@pytest.fixture
def served(trained_project: Path, tmp_path: Path) -> Path:
    """A folder with a bundle and its verdict, to be spoilt."""
    for name in ("models", "reports"):
        shutil.copytree(trained_project / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def refuse_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the bundle has to be found before a port is taken."""

    def listen(*_: Any) -> None:
        raise AssertionError("it listened")

    monkeypatch.setattr("lockgate.service.http.supervisor.open_listener", listen)


def serve(folder: Path, *options: str) -> Result:
    return invoke(folder, "serve", "--port", "0", *options)


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize("name", ["model.json", "model.onnx", "schema.json", "profile.json", "golden.json"])
def test_a_damaged_or_missing_file_is_named(served: Path, name: str) -> None:
    path = served / "models" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert_refused(serve(served), name, "corrupted")
    path.unlink()
    assert_refused(serve(served), name, "missing")


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("schema.json", lambda one: one["decision"].update(threshold=None), ("decision.threshold",)),
        ("schema.json", lambda one: one["decision"].update(threshold=float("nan")), ("schema.json", "NaN")),
        ("schema.json", lambda one: one["decision"].update(threshold=1.5), ("decision.threshold",)),
        ("schema.json", lambda one: one["decision"].update(threshold=True), ("decision.threshold",)),
        ("schema.json", lambda one: one["decision"].update(favourable="low"), ("decision.favourable",)),
        ("schema.json", lambda one: one.update(decision=None), ("no decision",)),
        ("schema.json", lambda one: one["features"].pop(), ("model.json", "schema.json")),
        ("schema.json", lambda one: one.update(features=[]), ("model.json", "schema.json")),
        ("schema.json", lambda one: one["features"][0].update(kind="date"), ("features[0].kind",)),
        ("schema.json", lambda one: one["features"][0].update(minimum="low"), ("features[0].minimum",)),
        ("profile.json", lambda one: one["features"].pop(0), ("profile.json",)),
        ("golden.json", lambda one: one["probabilities"].pop(), ("golden.json",)),
        ("golden.json", lambda one: one.update(rows=[], probabilities=[]), ("golden.json",)),
        ("golden.json", lambda one: one["rows"][0].pop("income"), ("golden.json",)),
        ("golden.json", lambda one: one["rows"][0].update(income="much"), ("golden.json", "`income`")),
        ("golden.json", lambda one: one["rows"][0].update(income=1e39), ("golden.json", "`income`")),
        ("golden.json", lambda one: one["rows"][0].update(income=10**39), ("golden.json", "`income`")),
        ("golden.json", lambda one: one["rows"][0].update(housing="palace"), ("golden.json", "`housing`")),
        ("golden.json", lambda one: one["rows"][0].update(housing=1), ("golden.json", "`housing`")),
        ("golden.json", lambda one: one.update(probabilities=[0.5, *one["probabilities"][1:]]), ("golden.json",)),
    ],
)
def test_parts_that_do_not_fit_are_named(
    served: Path, name: str, edit: Callable[[Any], object], words: tuple[str, ...]
) -> None:
    change_bundle(served, name, edit)
    with pytest.raises(InputError) as refused:
        Worker(read_bundle(served / "models"), "pass", Settings())
    assert all(word in str(refused.value) for word in words), refused.value


def test_more_bins_than_live_drift_has_memory_for_are_refused(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_MAX_BINS", "5")
    with pytest.raises(InputError, match=r"profile\.json: feature `.*` has \d+ bins, and the limit is 5;"):
        read_bundle(served / "models")


def tree_of(document: Any) -> dict[str, list[Any]]:
    tree: dict[str, list[Any]] = document["learner"]["gradient_booster"]["model"]["trees"][1]
    return tree


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda one: tree_of(one)["left_children"].__setitem__(1, 0), "a child that is not after it"),
        (lambda one: tree_of(one)["left_children"].__setitem__(0, 2), "not the child of exactly one other"),
        (lambda one: tree_of(one)["left_children"].__setitem__(0, 9_999), "a child is no node of it"),
        (lambda one: tree_of(one)["right_children"].__setitem__(0, -1), "a node has one child"),
        (lambda one: tree_of(one)["split_indices"].__setitem__(0, 22), "a split is on no feature"),
        (lambda one: tree_of(one)["split_indices"].__setitem__(0, 2**70), "a split is on no feature"),
        (lambda one: tree_of(one)["split_type"].__setitem__(0, 1 - tree_of(one)["split_type"][0]), "another kind"),
        (lambda one: tree_of(one)["default_left"].pop(), "differ in length"),
        (lambda one: tree_of(one)["sum_hessian"].__setitem__(0, float("nan")), "a sum_hessian is no number"),
        (lambda one: tree_of(one)["sum_hessian"].__setitem__(0, 1e9), "a sum_hessian is not its children's"),
        (lambda one: tree_of(one)["sum_hessian"].__setitem__(-1, -1.0), "a sum_hessian is not above 0"),
        (lambda one: tree_of(one)["split_conditions"].__setitem__(-1, 1e39), "a leaf is not finite"),
        (lambda one: tree_of(one)["split_conditions"].__setitem__(-1, 3e38), "add up to no log-odds"),
        (lambda one: tree_of(one)["categories_nodes"].append(0), "its categories are not one set"),
        (lambda one: tree_of(one).update(left_children="x"), "is not XGBoost's JSON: Expected `array`"),
        (lambda one: one["learner"]["learner_model_param"].update(base_score="[NaN]"), "is not one probability"),
        (lambda one: one["learner"]["learner_model_param"].update(base_score="[1.0]"), "is not one probability"),
    ],
)
def test_a_hostile_booster_is_refused_before_anything_listens(
    served: Path, edit: Callable[[Any], object], words: str
) -> None:
    change_bundle(served, "model.json", edit)
    assert_refused(serve(served), "model.json", words, "run `lockgate train` again")


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize("content", [b"", b"[" * 1_000_000, b'{"learner": 1}', b"\xff", b"9" * 10_000])
def test_what_is_no_booster_is_refused_before_anything_listens(served: Path, content: bytes) -> None:
    path = served / "models" / "model.json"
    path.write_bytes(content)
    manifest = json.loads((served / "models" / "manifest.json").read_bytes())
    manifest["files"]["model.json"] = hashlib.sha256(content).hexdigest()
    (served / "models" / "manifest.json").write_text(json.dumps(manifest))
    assert_refused(serve(served), "model.json", "is not XGBoost's JSON")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a" * 1000])
def test_a_model_that_onnx_runtime_cannot_run_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"model\.onnx"):
        OnnxModel.read(content, 22)


def test_a_model_of_other_features_is_refused(served: Path) -> None:
    with pytest.raises(InputError, match="does not take 3"):
        OnnxModel.read((served / "models" / "model.onnx").read_bytes(), 3)


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda one: one.update(verdict="block"), ("block", "--allow-ungated")),
        (lambda one: one.update(verdict="inconclusive"), ("inconclusive",)),
        (lambda one: one.update(verdict="PASS"), ("`$.verdict`", "--allow-ungated")),
        (
            lambda one: one["checks"][0].update(kind="floor", status="pass", value=0.1, op=">=", threshold=0.7),
            ("is not believed", "--allow-ungated"),
        ),
        (lambda one: one.pop("verdict"), ("lacks the key `$.verdict`",)),
        (lambda one: one.update(checks=[]), ("is not believed", "no check")),
        (lambda one: one["checks"][0].update(status="block"), ("is not believed", "says block")),
        (lambda one: one.update(model="0" * 64), ("another model",)),
        (lambda one: one.pop("model"), ("lacks the key `$.model`",)),
    ],
)
def test_only_a_consistent_pass_for_this_model_is_served(
    served: Path, edit: Callable[[Any], object], words: tuple[str, ...]
) -> None:
    gate = json.loads((served / "reports" / "gate.json").read_bytes())
    edit(gate)
    (served / "reports" / "gate.json").write_text(json.dumps(gate))
    assert_refused(serve(served), "gate.json", *words)


@pytest.mark.usefixtures("refuse_to_listen")
def test_no_verdict_no_service(served: Path) -> None:
    (served / "reports" / "gate.json").unlink()
    assert_refused(serve(served), "gate.json", "does not exist", "--allow-ungated")


def test_the_verdict_beside_the_bundle_comes_before_the_projects(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(served)
    models, reports = Path("models"), Path("reports")
    digest = read_bundle(models).digest
    assert require_verdict(digest, models, None, False) == "pass"
    (models / "gate.json").write_bytes(verdict("pass", check(), model="0" * 64).to_bytes())
    assert require_verdict(digest, models, None, False) == "pass"  # that one is about another bundle
    (models / "gate.json").write_bytes(verdict("block", check("block"), model=digest).to_bytes())
    with pytest.raises(InputError, match=r"models/gate\.json"):
        require_verdict(digest, models, None, False)
    assert require_verdict(digest, models, reports / "gate.json", False) == "pass"
    assert require_verdict(digest, models, None, True) == "ungated"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[SigningKey, Path]:
    """A key, and the file of its public half."""
    key = SigningKey(Ed25519PrivateKey.generate())
    public = tmp_path / "verify.pem"
    public.write_bytes(key.verify_key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key, public


def sign(folder: Path, key: SigningKey, name: str = "reports") -> None:
    gate = folder / name / "gate.json"
    gate.with_name("gate.json.dsse").write_bytes(sign_verdict(gate.read_bytes(), key))


Spoil = Callable[[Path, SigningKey], object]


def signed_by_another(folder: Path, _: SigningKey) -> None:
    sign(folder, SigningKey(Ed25519PrivateKey.generate()))


def other_verdict(folder: Path, key: SigningKey) -> None:
    sign(folder, key)
    path = folder / "reports/gate.json"
    path.write_bytes(path.read_bytes() + b"\n")


def other_bundle(folder: Path, key: SigningKey) -> None:
    """A bundle and a consistent verdict of somebody else's, under the signature of the one before."""
    sign(folder, key)
    change_bundle(folder, "schema.json", lambda one: one["features"][0].update(text="another"))


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda *_: None, ("gate.json.dsse does not exist", "it has to be signed")),
        (signed_by_another, ("gate.json.dsse was not signed by a key that is trusted here",)),
        (other_verdict, ("gate.json.dsse is about another gate.json",)),
        (other_bundle, ("gate.json.dsse is about another model",)),
    ],
)
def test_where_a_signature_is_required_nothing_less_is_served(
    served: Path, keys: tuple[SigningKey, Path], spoil: Spoil, words: tuple[str, ...]
) -> None:
    spoil(served, keys[0])
    assert_refused(serve(served, "--require-signed", "--verify-key", str(keys[1])), *words)
    # Whoever names the keys wants them used.
    assert_refused(serve(served, "--verify-key", str(keys[1])), *words)


@pytest.mark.usefixtures("refuse_to_listen")
def test_a_mounted_bundle_has_to_be_signed_too(
    served: Path, keys: tuple[SigningKey, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = served / "mounted"
    (served / "models").rename(mounted)
    (served / "reports/gate.json").rename(mounted / "gate.json")
    monkeypatch.setenv("LOCKGATE_REQUIRE_SIGNED", "true")
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", keys[1].read_text())
    assert_refused(serve(served, "--bundle", "mounted"), "mounted/gate.json.dsse does not exist")


def test_a_signed_verdict_is_served(served: Path, keys: tuple[SigningKey, Path], tmp_path: Path) -> None:
    sign(served, keys[0])
    server = Server(served, ("--require-signed", "--verify-key", str(keys[1])), tmp_path / "log")
    try:
        assert json.loads(server.ask("GET", "/health")[2])["verdict"] == "pass"
    finally:
        server.kill()


@pytest.mark.usefixtures("refuse_to_listen")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--require-signed",), ("--verify-key or LOCKGATE_VERIFY_KEY",)),
        (("--require-signed", "--verify-key", "absent.pem"), ("nor the path of a file that is there",)),
        (("--require-signed", "--verify-key", "x", "--allow-ungated"), ("contradicts",)),
        (("--verify-key", "x", "--allow-ungated"), ("contradicts",)),
    ],
)
def test_a_demand_for_signatures_that_cannot_be_met_is_refused(
    served: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_refused(serve(served, *options), *words)


@pytest.mark.parametrize("stated", ["1", "true", "yes", "anything"])
def test_another_server_asks_for_signatures_as_well(
    served: Path, keys: tuple[SigningKey, Path], monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.chdir(served)
    monkeypatch.setenv("LOCKGATE_REQUIRE_SIGNED", stated)
    with pytest.raises(InputError, match="LOCKGATE_VERIFY_KEY"):
        create_app()
    monkeypatch.setenv("LOCKGATE_VERIFY_KEY", str(keys[1]))
    with pytest.raises(InputError, match=r"gate\.json\.dsse does not exist"):
        create_app()


@pytest.mark.parametrize("stated", ["", "0", "false", "no"])
def test_no_is_no(monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv("LOCKGATE_REQUIRE_SIGNED", stated)
    assert settings_of_environment() == Settings()


def test_options_are_environment_variables_too(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Settings] = []
    monkeypatch.setattr("lockgate.service.http.supervisor.run", found.append)
    monkeypatch.setenv("LOCKGATE_MAX_WAIT", "0.7")
    monkeypatch.setenv("LOCKGATE_ALLOW_UNGATED", "1")
    assert invoke(served, "serve", "--drift", "http://there/drift.json").exit_code == 0
    (settings,) = found
    assert (settings.max_wait, settings.allow_ungated, settings.drift) == (0.7, True, "http://there/drift.json")
    assert settings == Settings(max_wait=0.7, allow_ungated=True, drift="http://there/drift.json")


def test_a_port_that_is_taken_is_named(served: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_refused(invoke(served, "serve", "--port", port), port, "in use")
