"""The image has what serving needs: of the kit, and of the packages in requirements/service.txt; few load at start."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from importlib.metadata import packages_distributions
from pathlib import Path

from imaging.context import BUNDLE, DOCKERFILE, build_context, kit_files
from locked import absent_modules, import_with, loaded
from releasing import small_bundle

ROOT = Path(__file__).parents[2]
SERVED = [
    "lockgate.cli.main",
    "lockgate.cli.serve",
    *sorted(
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in (ROOT / "lockgate/service").rglob("[a-z]*.py")
    ),
]


def test_the_service_is_imported_by_what_the_image_has() -> None:
    assert "uvicorn" in loaded(import_with("service", *SERVED))


def test_what_chance_does_to_live_psi_is_computed_without_scipy() -> None:
    code = "from lockgate.drift.drift_rule import null_distribution as chance; print(chance((5, 9, 0), 99).threshold(0.01))"
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['scipy'] = None; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(ended.stdout) > 0.0


def test_the_health_check_loads_the_standard_library_alone() -> None:
    """It runs every ten seconds in a container that has one core."""
    code = "import sys; before = {*sys.modules}; import lockgate.service.healthcheck; print(*{*sys.modules} - before)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lockgate.service.healthcheck" in names
    assert not {name.split(".")[0] for name in names} & set(packages_distributions()) - {"lockgate"}


def test_what_the_image_does_not_have_is_refused_here() -> None:
    assert {"pandas", "pyarrow", "jinja2", "matplotlib", "xgboost", "scipy", "onnx"} <= absent_modules("service")
    assert "pandas is not installed here" in import_with("service", "lockgate.data.split").stderr


def test_the_image_is_made_of_what_serving_imports_of_the_kit_and_nothing_of_the_project() -> None:
    code = f"import sys, {', '.join(SERVED)}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    entered = {name.split(".")[1] for name in modules if name.startswith("lockgate.")}
    rooms = {path.parent.name for path in (ROOT / "lockgate").glob("*/__init__.py")}
    tracked = subprocess.run(["git", "ls-files", "lockgate"], cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = {name for name in tracked.stdout.split() if name.split("/")[1] not in rooms - entered}
    sent = {str(path.relative_to(ROOT)) for path in kit_files()}
    assert wanted <= sent
    assert {name.split("/")[0] for name in sent} == {"app", "lockgate", "requirements"}
    # `docker build .` and docker compose send the same, and the bundle of the project.
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert allowed == {"lockgate", "models", "requirements/service.txt"}
    assert {line for line in ignored if line.startswith("lockgate/")} == {
        f"lockgate/{room}" for room in rooms - entered
    }
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / DOCKERFILE).read_text(), re.MULTILINE)
    assert set(copied) == {"lockgate", "requirements/service.txt", "${BUNDLE}"}
    assert BUNDLE == "bundle"


def test_the_verdicts_signature_goes_into_the_image(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    verdict = tmp_path / "verdict.json"
    verdict.write_text("{}")

    def names() -> set[str]:
        with tarfile.open(fileobj=io.BytesIO(build_context(bundle, verdict))) as archive:
            return {name for name in archive.getnames() if name.startswith("bundle/gate")}

    assert names() == {"bundle/gate.json"}
    verdict.with_name("verdict.json.dsse").write_text("{}")
    assert names() == {"bundle/gate.json", "bundle/gate.json.dsse"}


def test_a_command_that_is_no_part_of_serving_says_so(tmp_path: Path) -> None:
    for path in kit_files():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())

    def lockgate(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "lockgate", *arguments]
        environment = {"PATH": "", "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert "/predict" in lockgate("serve", "--help").stdout
    refused = lockgate("gate")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "is not here: the serving image has what serving needs" in refused.stderr
