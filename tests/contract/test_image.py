"""The image has the kit and the packages of requirements/service.txt: the service needs no other, and loads few at start."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from imaging.context import BUNDLE, DOCKERFILE, kit_files
from locked import absent_modules, import_with, loaded

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


def test_what_the_image_does_not_have_stays_away_when_the_service_is_imported() -> None:
    assert not LATER & loaded(import_with("service", *SERVED))


def test_the_health_check_loads_the_standard_library_alone() -> None:
    """It runs every ten seconds in a container that has one core."""
    code = "import sys; before = {*sys.modules}; import lockgate.service.healthcheck; print(*{*sys.modules} - before)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lockgate.service.healthcheck" in names
    assert not {name.split(".")[0] for name in names} & set(packages_distributions()) - {"lockgate"}


def test_what_the_image_does_not_have_is_refused_here() -> None:
    assert {"pandas", "pyarrow", "jinja2", "matplotlib"} <= absent_modules("service")
    assert "pandas is not installed here" in import_with("service", "lockgate.data.split").stderr


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
