"""Two kits of one number of results make the same bytes: where bytes change, the number has to."""

from __future__ import annotations

from pathlib import Path

import pytest
from results import compute_results, environment, read_record

from lockgate.config.results_number import RESULTS
from lockgate.dvc.stages import kit_stages

RAISE = (
    "These files came out with other bytes, and the number of the kit's results is still {number}. If that was meant, set "
    "RESULTS in lockgate/config/results_number.py and `results` in lockgate/dvc/stages.yaml and dvc.yaml to {next}, run `python "
    "tests/results.py` and `dvc repro`, and commit results.json and dvc.lock: {files}"
)
AGAIN = "run `python tests/results.py` and commit tests/results.json"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return compute_results(tmp_path_factory.mktemp("results"))


def changes(found: dict[str, str], recorded: dict[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name))


def test_where_bytes_changed_the_number_did(results: dict[str, str], tmp_path: Path) -> None:
    record = read_record()
    if any(record["environment"][key] != environment()[key] for key in ("python", "machine")):
        # Another Python has other packages, whose last digits differ: there two runs have to agree.
        record = {"results": RESULTS, "environment": environment(), "files": compute_results(tmp_path)}
    assert record["environment"] == environment(), f"the record is of other packages; {AGAIN}"
    assert record["results"] == RESULTS, f"the record is of the results {record['results']}; {AGAIN}"
    changed = changes(results, record["files"])
    assert not changed, RAISE.format(number=RESULTS, next=RESULTS + 1, files=", ".join(changed))


def test_the_fixed_project_covers_what_the_stages_write(results: dict[str, str]) -> None:
    assert {f"data/{part}.parquet" for part in ("train", "test", "current")} <= results.keys()
    assert {"models/manifest.json", "models/model.onnx", "reports/metrics.json", "reports/drift.json"} <= results.keys()


def test_the_kits_stages_are_of_this_number() -> None:
    assert f"results: {RESULTS}\n" in kit_stages()
