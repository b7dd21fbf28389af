"""Drift against a frozen profile at 1, 10 and 50 million rows by 23 columns of Parquet, beside reading alone, DuckDB and polars.

    scripts/bench scale                                # about 20 bytes a row on the disk, and minutes for each 10 million rows
    scripts/bench scale --rows 1000000 --folder /data  # fewer rows; files that stay in /data and are made once

The rows are the worked example's applicants with their outcome, the bundle one of 20,000 others. Each way runs in a process of its
own, which counts the rows of each bin of each feature by the same edges and is held to the same counts; its seconds are those of
the work, without starting Python. `lockgate drift` is the whole command, with its start: scores, leaves, performance, drift.json.
Everybody has two threads. Shown are medians, and the peak of all runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS = [1_000_000, 10_000_000, 50_000_000]
MANY_ROWS = 20_000_000  # from here on each way runs once
BYTES_A_ROW = 25
READING = "reading alone"
WAYS = {
    READING: "read",
    "Lockgate, the counts": "lockgate",
    "DuckDB, the counts": "duckdb",
    "polars, the counts": "polars",
}
COMMANDS = {"lockgate drift": "local", "lockgate drift, Dask": "dask"}


@dataclass(frozen=True)
class Run:
    """Seconds on the clock and of all processors, the most memory resident in MB of one process, and what it counted."""

    clock: float
    processor: float
    megabytes: float
    counts: str = ""


def main() -> None:
    """Make the files, run every way, print one table; exit 1 where a way counts otherwise."""
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="rows of each table (default: %(default)s)")
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of each way below 20 million rows (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="keep the files here; by default they are temporary")
    parser.add_argument("--without-drift", action="store_true", help="leave the whole command out, which takes longest")
    parser.add_argument("--dask", action="store_true", help="run the whole command on two local Dask workers too")
    arguments = parser.parse_args()
    commands = [] if arguments.without_drift else [*COMMANDS][: 2 if arguments.dask else 1]
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        require_room(folder, max(arguments.rows))
        print(
            f"{'':22} {'rows':>11} {'seconds':>9} {'CPU s':>8} {'rows/s':>12} {'of reading':>11} {'peak MB':>8} {'runs':>5}"
        )
        for rows in sorted(arguments.rows):
            make_table(folder, rows)
            compare(folder, rows, 1 if rows >= MANY_ROWS else arguments.runs, commands)


def require_room(folder: Path, rows: int) -> None:
    """End where the disk has not twice the room that the files take."""
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = rows * BYTES_A_ROW, shutil.disk_usage(folder).free
    print(
        f"{rows:,} rows take about {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.0f} GB are free",
        file=sys.stderr,
    )
    if free < 2 * needed:
        sys.exit(f"error: {folder} has {free / 1e9:.1f} GB left; give --folder on another disk, or fewer --rows")


def make_table(folder: Path, rows: int) -> None:
    """Write the bundle and the first `rows` applicants, where they are not there; an earlier table is a part of a larger one."""
    started = time.perf_counter()
    run([sys.executable, "-m", "benchmarks._scale_tables", str(folder), str(rows)], Path.cwd())
    print(f"  made {rows:,} rows in {time.perf_counter() - started:,.0f} s", file=sys.stderr)


def compare(folder: Path, rows: int, runs: int, commands: Sequence[str]) -> None:
    """Print the lines of one table; exit where a way counts otherwise than the kit."""
    found: dict[str, list[Run]] = {name: [] for name in (*WAYS, *commands)}
    for _ in range(runs):
        for name, each in found.items():
            print(f"  {name}, {rows:,} rows ...", file=sys.stderr, flush=True)
            each.append(run_way(name, folder) if name in WAYS else run_command(COMMANDS[name], folder))
    reading = statistics.median(one.clock for one in found[READING])
    for name, each in found.items():
        clock = statistics.median(one.clock for one in each)
        processor = statistics.median(one.processor for one in each)
        peak = max(one.megabytes for one in each)
        speed = f"{clock:9.2f} {processor:8.2f} {rows / clock:12,.0f} {reading / clock:11.0%}"
        print(f"{name:22} {rows:11,} {speed} {peak:8,.0f} {runs:5}", flush=True)
    counted = {name: {one.counts for one in found[name]} for name in WAYS if name != READING}
    if len(set[str].union(*counted.values())) != 1:
        sys.exit("error: the ways count the same rows otherwise")
    print(f"the counts are the same in all {len(counted)}; load {os.getloadavg()[0]:.1f}", flush=True)


def run_way(name: str, folder: Path) -> Run:
    """One way to count, by its own clock."""
    whole, answer = run([sys.executable, "-m", "benchmarks._scale_ways", WAYS[name], str(folder)], Path.cwd())
    told = json.loads(answer)
    return Run(told["clock"], told["processor"], whole.megabytes, told["counts"])


def run_command(engine: str, folder: Path) -> Run:
    """The whole command; its peak is that of its first process, not of workers."""
    command = [sys.executable, "-m", "lockgate", "drift", "--current", "current/", "--no-page"]
    return run(command, folder, LOCKGATE_ENGINE=engine)[0]


def run(command: Sequence[str], folder: Path, **variables: str) -> tuple[Run, str]:
    """Run a command in `folder`, and end where it fails."""
    paths = [str(Path.cwd()), str(Path.cwd() / "scripts")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "2", **variables}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    answer = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}")
    return Run(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_000), answer


if __name__ == "__main__":
    main()
