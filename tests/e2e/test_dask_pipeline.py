"""The whole pipeline on the workers of a Dask scheduler, processes of their own: data, numbers and verdict are the local ones."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dask_cluster import DaskCluster, running_cluster
from msgspec import UNSET
from remotes import BUCKET, CREDENTIALS, s3_remote
from support import SMALL, assert_refused, edit_params, invoke, succeed, write_params

from lockgate.data.synthetic import AUDIT_COLUMNS, SYNTHETIC_KINDS, generate_applicants
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.manifest_json import Partitioning
from lockgate.documents.metrics_json import read_metrics
from lockgate.model.bundle import verify_bundle

pytestmark = pytest.mark.full

# What workers run when they start: the one that is given the last of these items of work is gone.
DIE_ONCE = """
import os
import signal
from pathlib import Path

from lockgate.engine import dask_engine

work, given = dask_engine._work, Path(os.environ["GIVEN"])

def work_or_die(function, item):
    with given.open("a") as file:
        file.write("x")
    if given.read_text() == "x" * int(os.environ["DIES_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return work(function, item)

dask_engine._work = work_or_die
"""
# The worker of the second range of rows is gone as soon as the training begins.
DIE_IN_TRAINING = """
import os
import signal

from lockgate.model.flavours import xgboost_dask

fit = xgboost_dask._fit_share

def fit_or_die(rank, **named):
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return fit(rank, **named)

xgboost_dask._fit_share = fit_or_die
"""
ROWS = 12_000
CUTS = (0, 1_700, 1_701, 4_000, 5_500, 8_000, 9_999, ROWS)  # seven files, one of a single row
STAGES = ("prepare", "train", "evaluate", "drift", "gate", "register")
DATA_FILES = ("data/train.parquet", "data/test.parquet", "data/current.parquet", "data/schema.json")


def write_source(folder: Path, shock: float, stream: str) -> Path:
    """Applicants as seven Parquet files of several groups of rows."""
    table = pa.Table.from_pandas(generate_applicants(ROWS, 42, shock, stream), preserve_index=False)
    folder.mkdir()
    for number, (start, end) in enumerate(pairwise(CUTS)):
        pq.write_table(table.slice(start, end - start), folder / f"part-{number}.parquet", row_group_size=600)
    return folder


def run_pipeline(folder: Path, source: Path, current: Path, engine: dict[str, object]) -> Path:
    """A project of its own on these files, from prepare to a registered model."""
    folder.mkdir()
    prepare = {
        "source": str(source),
        "current": str(current),
        "kinds": dict(SYNTHETIC_KINDS),
        "audit_columns": list(AUDIT_COLUMNS),
    }
    write_params(folder, {"prepare": prepare, "train": SMALL["train"], "engine": engine})
    for stage in STAGES:
        succeed(invoke(folder, stage))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, cluster: DaskCluster) -> tuple[Path, Path]:
    """The same on this machine and on Dask."""
    base = tmp_path_factory.mktemp("projects")
    source = write_source(base / "source", 0.0, "history")
    current = write_source(base / "arrived", 1.0, "current")
    dask = {"name": "dask", "scheduler": cluster.address}
    return (
        run_pipeline(base / "local", source, current, {"name": "local"}),
        run_pipeline(base / "dask", source, current, dask),
    )


def test_prepare_writes_the_same_bytes(projects: tuple[Path, Path]) -> None:
    local, dask = projects
    for name in DATA_FILES:
        assert (local / name).read_bytes() == (dask / name).read_bytes(), name


def test_the_manifest_names_the_partitioning_and_nothing_else_of_the_engine(projects: tuple[Path, Path]) -> None:
    local, dask = (verify_bundle(project / "models").manifest for project in projects)
    assert local.partitioning is UNSET
    assert dask.partitioning == Partitioning(engine="dask", workers=2)
    assert (dask.training_data, dask.params) == (local.training_data, local.params)


def test_the_model_is_as_good_and_the_verdict_the_same(projects: tuple[Path, Path]) -> None:
    local, dask = (read_metrics((project / "reports/metrics.json").read_bytes(), project) for project in projects)
    assert dask["roc_auc"] == pytest.approx(local["roc_auc"], abs=0.002)
    verdicts = [GateResult.read_file(project / "reports/gate.json", "") for project in projects]
    assert [one.verdict for one in verdicts] == ["pass", "pass"]
    assert verdicts[0].n == verdicts[1].n


def test_drift_of_the_features_is_the_same(projects: tuple[Path, Path]) -> None:
    """The score's is of two models."""
    local, dask = (DriftResult.read_file(project / "reports/drift.json", "") for project in projects)
    assert [(one.name, one.psi, one.status) for one in local.features[:-1]] == [
        (one.name, one.psi, one.status) for one in dask.features[:-1]
    ]
    assert local.segments == dask.segments
    assert local.label == dask.label
    assert local.status == dask.status


@pytest.mark.parametrize(
    ("stage", "item", "written"),
    [
        ("prepare", 3, DATA_FILES),
        ("evaluate", 1, ("reports/predictions.parquet", "reports/metrics.json")),
        ("drift", 1, ("reports/drift.json",)),
    ],
)
def test_a_worker_that_is_killed_changes_nothing(
    projects: tuple[Path, Path], tmp_path: Path, stage: str, item: int, written: tuple[str, ...]
) -> None:
    local, _ = projects
    made = {name: (local / name).read_bytes() for name in written}
    again = Path(shutil.copytree(local, tmp_path / "project"))
    for name in written:
        (again / name).unlink()
    site, given, logs = tmp_path / "site", tmp_path / "given", tmp_path / "cluster"
    for folder in (site, logs):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(DIE_ONCE)
    with running_cluster(logs, path=[site], variables={"GIVEN": str(given), "DIES_AT": str(item)}) as cluster:
        edit_params(again, engine={"name": "dask", "scheduler": cluster.address})
        succeed(invoke(again, stage))
        assert [worker.poll() for worker in cluster.workers].count(-signal.SIGKILL) == 1
    assert {name: (again / name).read_bytes() for name in written} == made


def test_a_worker_that_is_killed_in_the_training_ends_it_and_leaves_the_model_as_it_was(
    projects: tuple[Path, Path], tmp_path: Path
) -> None:
    again = Path(shutil.copytree(projects[0], tmp_path / "project"))
    made = {path.name: path.read_bytes() for path in (again / "models").iterdir()}
    site, logs = tmp_path / "site", tmp_path / "cluster"
    for folder in (site, logs):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(DIE_IN_TRAINING)
    with running_cluster(logs, path=[site]) as cluster:
        edit_params(again, engine={"name": "dask", "scheduler": cluster.address})
        assert_refused(invoke(again, "train"), "the Dask worker", "was lost during the training", "run this again")
    assert {path.name: path.read_bytes() for path in (again / "models").iterdir()} == made


def test_a_bucket_is_prepared_by_workers_that_fetch_its_files_themselves(
    projects: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, _ = projects
    logs = tmp_path / "cluster"
    logs.mkdir()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_remote() as remote:
        monkeypatch.setenv("AWS_ENDPOINT_URL", remote.endpoint)
        for folder in ("source", "arrived"):
            for path in (local.parent / folder).iterdir():
                remote.write(f"{folder}/{path.name}", path.read_bytes())
        with running_cluster(logs) as cluster:
            again = tmp_path / "project"
            again.mkdir()
            shutil.copy(local / "params.yaml", again)
            found = {"source": f"s3://{BUCKET}/source/", "current": f"s3://{BUCKET}/arrived/*.parquet"}
            edit_params(again, prepare=found, engine={"name": "dask", "scheduler": cluster.address})
            succeed(invoke(again, "prepare"))
    for name in DATA_FILES[:3]:
        assert (again / name).read_bytes() == (local / name).read_bytes(), name
