"""`import lockgate`: small, documented, light, and never hidden by a module of the same name."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lockgate

ROOT = Path(lockgate.__file__).parent
FUNCTIONS = ("prepare", "train", "evaluate", "judge", "measure_drift", "write_report", "register")
HEAVY = {"numpy", "pandas", "pydantic", "msgspec", "click", "xgboost", "mlflow", "onnxruntime"}


def test_it_has_what_it_promises() -> None:
    assert set(FUNCTIONS) <= set(lockgate.__all__)
    assert {"Model", "InputError", "GateResult", "DriftResult", "Manifest"} <= set(lockgate.__all__)


@pytest.mark.parametrize("name", lockgate.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    found = getattr(lockgate, name)
    assert inspect.getdoc(found)
    if name in FUNCTIONS:
        hints = inspect.signature(found)
        assert hints.return_annotation is not inspect.Signature.empty
        assert all(one.annotation is not inspect.Parameter.empty for one in hints.parameters.values())


def test_type_checkers_see_the_names_that_are_there() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    seen = {alias.asname: node.module for node in imports for alias in node.names if alias.asname}
    seen.pop("__version__")
    assert seen == lockgate._HOMES


def test_no_public_name_is_a_folders_or_a_modules_once_everything_is_imported() -> None:
    for module in pkgutil.walk_packages([str(ROOT)], "lockgate."):
        if module.name != "lockgate.__main__":
            importlib.import_module(module.name)
    assert not set(lockgate.__all__) & {path.stem for path in ROOT.iterdir()}
    assert [name for name in lockgate.__all__ if inspect.ismodule(getattr(lockgate, name))] == []


def test_importing_it_costs_nothing() -> None:
    code = "import sys, lockgate; print(*{name.split('.')[0] for name in sys.modules})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(answer.stdout.split())


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'lockgate' has no attribute 'prepair'"):
        lockgate.prepair  # noqa: B018


NOTEBOOK = """
import os
import numpy as np, pandas as pd
import lockgate

random = np.random.default_rng(1)
def month(n, shift=0.0):
    income = random.normal(50 + shift, 10, n)
    region = random.choice(["north", "south"], n)
    late = random.random(n) < 1 / (1 + np.exp((income - 40) / 5))
    return pd.DataFrame({"income": income, "region": region, "late": late.astype(int)})

frame = month(3000)
params = lockgate.Params(
    prepare={"source": "loans", "target": "late"},
    train={"num_boost_round": 30, "max_depth": 2},
)
dataset = lockgate.prepare(frame, params.prepare)
trained = lockgate.train(dataset.train, dataset.schema, params)
evaluation = lockgate.evaluate(trained.bundle, dataset.test, params)
verdict = lockgate.judge(evaluation.predictions)
assert verdict.verdict == "pass", verdict.blocking_reasons()
assert verdict.model == trained.bundle.digest

table = pd.DataFrame({"y_true": [0, 1] * 300, "y_score": random.random(600)})
assert lockgate.judge(table).verdict == "block"

calm, moved = (lockgate.measure_drift(frame, month(1000, shift)) for shift in (0.0, 15.0))
assert calm.status == "stable", calm
assert moved.status == "alert"
batch = month(1000, 15.0)
against_bundle = lockgate.measure_drift(trained.bundle, batch)
assert (against_bundle.status, against_bundle.model) == ("alert", trained.bundle.digest)

report = lockgate.write_report(lockgate.ReportFacts(gate=verdict, drift=against_bundle, train=trained.report))
assert "income" in report.markdown and report.html.startswith("<!doctype html>")

try:
    lockgate.prepare(frame, lockgate.Params(prepare={"source": "x", "target": "nothing"}).prepare)
except lockgate.InputError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError("a target that is not there was taken")
assert os.listdir(".") == []
"""


def test_a_notebook_needs_no_folder_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
