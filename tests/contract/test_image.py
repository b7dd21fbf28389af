"""The image has the kit and the packages of requirements/service.txt: the service needs no other, and loads few at start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from imaging.context import BUNDLE, DOCKERFILE, kit_files

ROOT = Path(__file__).parents[2]
SERVED = [
    "lockgate.cli.main",
    "lockgate.cli.serve",
    *sorted(
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in (ROOT / "lockgate/service").rglob("[a-z]*.py")
    ),
]
# In the image, and not loaded before they are needed: they cost seconds of the start.
LATER = {"scipy", "xgboost"}
BLOCKER = """
import importlib, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not in the image", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def absent_modules() -> set[str]:
    """The modules of every package that is installed here and not in the image."""
    locked = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "requirements/service.txt").read_text(), re.MULTILINE)
    present = {normal(name) for name in locked} | {"lockgate"}
    found = {module: {normal(name) for name in names} for module, names in packages_distributions().items()}
    return {module for module, names in found.items() if not names & present}


def import_in_image(modules: list[str]) -> subprocess.CompletedProcess[str]:
    code = BLOCKER.format(absent=absent_modules(), modules=modules)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_what_the_image_does_not_have_stays_away_when_the_service_is_imported() -> None:
    imported = import_in_image(SERVED)
    assert imported.returncode == 0, imported.stderr
    assert not LATER & set(json.loads(imported.stdout))


def test_what_the_image_does_not_have_is_refused_here() -> None:
    assert {"pandas", "pyarrow", "jinja2", "mlflow", "dvc", "matplotlib"} <= absent_modules()
    assert "pandas is not in the image" in import_in_image(["lockgate.data.split"]).stderr


def test_the_image_is_made_of_the_whole_kit_and_nothing_of_the_project() -> None:
    tracked = subprocess.run(["git", "ls-files", "lockgate"], cwd=ROOT, capture_output=True, text=True, check=True)
    sent = {str(path.relative_to(ROOT)) for path in kit_files()}
    assert set(tracked.stdout.split()) <= sent
    assert {name.split("/")[0] for name in sent} == {"app", "lockgate", "requirements"}
    # `docker build .` and docker compose send the same, and the bundle of the project.
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert allowed == {"lockgate", "models", "requirements/service.txt"}
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / DOCKERFILE).read_text(), re.MULTILINE)
    assert set(copied) == {"lockgate", "requirements/service.txt", "${BUNDLE}"}
    assert BUNDLE == "bundle"
