"""The Dask engine with real schedulers and workers: equal results, and one line for each way in which they are lost."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from dask_cluster import (
    DaskCluster,
    die,
    die_once_at_seven,
    fail_at_three,
    fill_the_disk,
    miss_a_file,
    process_of,
    refuse_three,
    running_cluster,
    square,
    time_out,
    wait_for_ever,
)

from lockgate.config.errors import InputError
from lockgate.config.params import Engine
from lockgate.engine import dask_engine
from lockgate.engine.dask_engine import DaskEngine, connected_engine
from lockgate.engine.engine import LocalEngine
from lockgate.engine.open_engine import open_engine

SQUARES = [number * number for number in range(20)]
# A stage of a project, as those in pipeline/.
STAGE = """\
from functools import partial
from pathlib import Path

import click
import lockgate
from dask_cluster import square, wait_for_ever
from lockgate.config.terminal import say


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def work(project):
    with project.open_engine() as engine:
        if Path("endless").exists():
            list(engine.map(partial(wait_for_ever, Path("began").absolute()), range(4)))
        say(f"the sum is {sum(engine.map(square, range(20)))}")


if __name__ == "__main__":
    work()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with running_cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


@pytest.fixture
def engine(cluster: DaskCluster) -> Iterator[DaskEngine]:
    with connected_engine(cluster.address, print) as connected:
        yield connected


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[DaskCluster]:
    """A cluster of one test, which may end its processes."""
    (tmp_path / "dask").mkdir()
    with running_cluster(tmp_path / "dask") as running:
        yield running


@pytest.fixture
def stage(tmp_path: Path) -> list[str]:
    (tmp_path / "stage.py").write_text(STAGE)
    return [sys.executable, str(tmp_path / "stage.py")]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "LOCKGATE_ENGINE": "dask", **variables}


def run_stage(stage: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        stage, cwd=folder, env=environment(**variables), capture_output=True, text=True, check=False, timeout=300
    )


def test_results_are_those_of_the_local_engine_in_the_same_order(engine: DaskEngine) -> None:
    assert list(engine.map(square, range(20))) == list(LocalEngine(2).map(square, range(20))) == SQUARES


def test_the_work_is_done_by_the_workers_and_by_all_of_them(engine: DaskEngine, cluster: DaskCluster) -> None:
    assert engine.workers == 2
    assert {*engine.map(process_of, range(20))} == {worker.pid for worker in cluster.workers}


def test_few_items_are_sent_ahead(engine: DaskEngine) -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = engine.map(square, items())
    assert next(results) == 0
    assert len(taken) <= 2 * engine.workers
    results.close()


def test_bad_input_that_a_worker_finds_arrives_as_it_is(engine: DaskEngine) -> None:
    results = engine.map(refuse_three, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match=r"^part-3\.parquet has no column `age`; write it there too$"):
        next(results)


def test_a_defect_keeps_the_traceback_that_it_has_on_the_worker(engine: DaskEngine) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        list(engine.map(fail_at_three, range(10)))
    assert "in fail_at_three" in "".join(traceback.format_exception(raised.value))


def test_a_worker_without_space_on_its_disk_is_named(engine: DaskEngine, cluster: DaskCluster) -> None:
    with pytest.raises(InputError) as raised:
        list(engine.map(fill_the_disk, [1]))
    message = str(raised.value)
    assert re.match(r"the worker tcp://127\.0\.0\.1:\d+ on \S+ has no space left on its disk", message)
    assert socket.gethostname() in message
    assert "make room there" in message
    assert "\n" not in message


def test_another_error_of_the_operating_system_is_none_of_space(engine: DaskEngine, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(engine.map(miss_a_file, [tmp_path / "nowhere"]))


def test_the_dashboard_is_announced_in_one_line(cluster: DaskCluster) -> None:
    told: list[str] = []
    with open_engine(Engine(name="dask", scheduler=cluster.address), told.append):
        pass
    assert len(told) == 1
    assert re.fullmatch(r"Dask shows its work at http://127\.0\.0\.1:\d+/status", told[0])


def test_the_loggers_are_as_they_were(cluster: DaskCluster) -> None:
    names = ["distributed", "distributed.client", "distributed.core", "tornado.application", "asyncio"]
    before = [logging.getLogger(name).level for name in names]
    with connected_engine(cluster.address, print):
        assert not logging.getLogger("distributed.client").isEnabledFor(logging.CRITICAL)
    assert [logging.getLogger(name).level for name in names] == before


@pytest.mark.full
def test_a_worker_that_dies_in_the_middle_changes_nothing(mortal: DaskCluster, tmp_path: Path) -> None:
    with connected_engine(mortal.address, print) as engine:
        assert list(engine.map(partial(die_once_at_seven, tmp_path / "died"), range(20))) == SQUARES
    assert (tmp_path / "died").exists()
    assert [worker.poll() for worker in mortal.workers].count(-signal.SIGKILL) == 1


@pytest.mark.full
def test_a_part_that_ends_its_workers_is_one_line(tmp_path: Path) -> None:
    variables = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with (
        running_cluster(tmp_path, 3, variables=variables) as cluster,
        connected_engine(cluster.address, print) as engine,
        pytest.raises(InputError) as raised,
    ):
        list(engine.map(die, [1]))
    message = str(raised.value)
    assert message.startswith(f"engine.scheduler: {cluster.address}: the work on one part of the data ended 2 workers")
    assert "too little memory is the usual cause" in message
    assert "\n" not in message


@pytest.mark.full
def test_a_scheduler_that_lost_all_its_workers_is_one_line(
    mortal: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "LOST_SECONDS", 1)
    with connected_engine(mortal.address, print) as engine:
        results = engine.map(square, range(20))
        assert next(results) == 0
        for worker in mortal.workers:
            worker.kill()
        with pytest.raises(InputError, match=f"^engine.scheduler: {mortal.address} has lost all its workers; "):
            list(results)


@pytest.mark.full
def test_a_result_that_is_lost_with_its_worker_before_it_is_fetched_is_one_line(
    mortal: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is done, so nobody waits for it any more, but it can be had of no one."""
    monkeypatch.setattr(dask_engine, "LOST_SECONDS", 1)
    with connected_engine(mortal.address, print) as engine:
        results = engine.map(square, range(4))
        assert next(results) == 0
        time.sleep(1.0)  # in which the three others are done
        for worker in mortal.workers:
            worker.kill()
            worker.wait()
        with pytest.raises(InputError, match=f"^engine.scheduler: {mortal.address} has lost all its workers; "):
            list(results)


@pytest.mark.full
def test_a_function_that_times_out_is_its_own_error(engine: DaskEngine) -> None:
    with pytest.raises(TimeoutError, match="the storage does not answer"):
        list(engine.map(time_out, [1]))


@pytest.mark.full
def test_a_scheduler_that_goes_away_is_one_line(mortal: DaskCluster, tmp_path: Path) -> None:
    with connected_engine(mortal.address, print) as engine:
        results = engine.map(partial(wait_for_ever, tmp_path / "began"), range(20))
        # The work is sent when the first result is asked for, which does not come back by itself.
        with pytest.raises(InputError, match=f"^engine.scheduler: {mortal.address} went away during the work; "):
            end_once_begun(mortal, tmp_path / "began", results)


def end_once_begun(cluster: DaskCluster, began: Path, results: Iterator[None]) -> None:
    watcher = subprocess.Popen(
        ["bash", "-c", f"until [ -e {began} ]; do sleep 0.1; done; kill -KILL {cluster.scheduler.pid}"]
    )
    try:
        next(results)
    finally:
        watcher.kill()
        watcher.wait()


def test_what_is_to_be_known_within_half_a_minute_is() -> None:
    assert dask_engine.CONNECT_SECONDS + dask_engine.GREETING_SECONDS + dask_engine.WORKER_SECONDS < 25


@pytest.mark.full
def test_a_scheduler_that_is_not_there_ends_a_stage_with_one_line(stage: list[str], tmp_path: Path) -> None:
    ended = run_stage(stage, tmp_path, LOCKGATE_SCHEDULER="tcp://127.0.0.1:1")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(
        r"Error: engine\.scheduler: tcp://127\.0\.0\.1:1 cannot be reached \(.*\); start one there with `dask scheduler`, or "
        r"name another in engine\.scheduler or LOCKGATE_SCHEDULER\n",
        ended.stderr,
    )


@pytest.mark.full
def test_a_server_that_is_no_scheduler_ends_a_stage_with_one_line(stage: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        ended = run_stage(stage, tmp_path, LOCKGATE_SCHEDULER=address)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"Error: engine.scheduler: {address} cannot be reached")
    assert ended.stderr.count("\n") == 1


@pytest.mark.full
def test_tls_without_certificates_ends_a_stage_with_one_line(stage: list[str], tmp_path: Path) -> None:
    ended = run_stage(stage, tmp_path, LOCKGATE_SCHEDULER="tls://127.0.0.1:1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: engine.scheduler: tls://127.0.0.1:1 cannot be reached")
    assert ended.stderr.count("\n") == 1


@pytest.mark.full
def test_a_scheduler_without_workers_ends_a_stage_with_one_line(stage: list[str], tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    with running_cluster(tmp_path / "dask", 0) as cluster:
        ended = run_stage(stage, tmp_path, LOCKGATE_SCHEDULER=cluster.address)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"Error: engine.scheduler: {cluster.address} has no worker; start some with `dask worker {cluster.address}` where the "
        "data can be read\n"
    )


@pytest.mark.full
@pytest.mark.parametrize("who", ["worker", "scheduler"])
def test_a_process_with_another_lockgate_is_named(tmp_path: Path, who: str) -> None:
    installed, folder = tmp_path / "other" / "lockgate-0.0.1.dist-info", tmp_path / "dask"
    installed.mkdir(parents=True)
    folder.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: lockgate\nVersion: 0.0.1\n")
    with (
        running_cluster(folder, 1, path=[installed.parent], only=who) as cluster,
        pytest.raises(InputError) as raised,
        connected_engine(cluster.address, print),
    ):
        pass
    named = {"worker": r"worker tcp://127\.0\.0\.1:\d+", "scheduler": "scheduler"}[who]
    assert re.match(
        rf"engine\.scheduler: {cluster.address}: the {named} has lockgate 0\.0\.1, and here it is ", str(raised.value)
    )


@pytest.mark.full
def test_a_stage_starts_workers_here_where_no_scheduler_is_named(stage: list[str], tmp_path: Path) -> None:
    ended = run_stage(stage, tmp_path)
    assert ended.returncode == 0
    assert ended.stdout == f"the sum is {sum(SQUARES)}\n"
    assert re.fullmatch(r"Dask shows its work at http://127\.0\.0\.1:\d+/status\n", ended.stderr)


@pytest.mark.full
def test_workers_started_here_die_and_are_started_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_engine(Engine(name="dask", workers=2, memory="1GiB"), lambda _: None) as engine:
        assert list(engine.map(partial(die_once_at_seven, tmp_path / "died"), range(20))) == SQUARES
        assert engine.client is not None
        assert engine.client.scheduler_info()["address"].startswith("tls://127.0.0.1:")
    assert (tmp_path / "died").exists()
    assert capfd.readouterr() == ("", "")


def processes_of_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.full
def test_an_interrupted_stage_ends_with_its_workers_and_without_a_traceback(stage: list[str], tmp_path: Path) -> None:
    (tmp_path / "endless").touch()
    with (tmp_path / "output").open("w") as output:
        running = subprocess.Popen(
            stage,
            cwd=tmp_path,
            env=environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
            # As a terminal starts it; a shell starts what runs in its background with SIGINT ignored, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        end = time.monotonic() + 180
        while not (tmp_path / "began").exists():
            assert time.monotonic() < end, (tmp_path / "output").read_text()
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches every process of the group
        assert running.wait(60) == 1
        while processes_of_group(running.pid):  # Python's own, which ends when it notices that the others have
            assert time.monotonic() < end + 60
            time.sleep(0.1)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    lines = (tmp_path / "output").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("Dask shows its work at")] == ["Aborted!"]
