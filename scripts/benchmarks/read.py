"""`lockgate prepare` of one million rows by 23 columns beside the readers alone: pandas, pyarrow, polars; time and peak memory.

    scripts/bench read                          # the version here
    git worktree add ../before 70562d8          # the last version in which each reader typed every file by itself
    scripts/bench read --before ../before       # and that one beside it, in the same run

The table has 18 numbers (four with 5 % missing), 4 categories and a label; it is written once as CSV and once as Parquet.
Everything runs as a process of its own, one after the other, in turns; shown are the median and the peak of its memory. The
readers alone give a table and decide nothing: no kinds, no keys, no split, no check, nothing written. Polars comes from
`uv run --with polars` and is left out where that fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
TARGET_ROWS = 1_000_000
PARAMS = "prepare:\n  source: {file}\n  target: default\n"
POLARS = ["uv", "run", "--no-project", "--with", "polars", "python", "-c"]
READERS = {
    "csv": {
        "pandas.read_csv": [sys.executable, "-c", "import pandas; pandas.read_csv('table.csv')"],
        "pyarrow": [sys.executable, "-c", "from pyarrow import csv; csv.read_csv('table.csv')"],
        "polars": [*POLARS, "import polars; polars.read_csv('table.csv')"],
    },
    "parquet": {
        "pandas.read_parquet": [sys.executable, "-c", "import pandas; pandas.read_parquet('table.parquet')"],
        "pyarrow": [sys.executable, "-c", "from pyarrow import parquet; parquet.read_table('table.parquet')"],
        "polars": [*POLARS, "import polars; polars.read_parquet('table.parquet')"],
    },
}


@dataclass(frozen=True)
class Run:
    """Seconds on the clock and of all processors, and the most memory resident, in MB, of one process."""

    clock: float
    processor: float
    megabytes: float


def main() -> None:
    """Write the tables, run everything in turns, print one table a format; exit 1 where `--before` was better."""
    parser = argparse.ArgumentParser(prog="scripts/bench read", description=__doc__)
    parser.add_argument("--rows", type=int, default=TARGET_ROWS, help="rows of the table (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="a checkout of another version, run by this Python")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
        # Elsewhere: a process starts with the peak of the one that starts it.
        writer = multiprocessing.get_context("spawn").Process(target=write_tables, args=(Path(folder), arguments.rows))
        writer.start()
        writer.join()
        if writer.exitcode:
            sys.exit("error: the tables were not written")
        slower = [compare(form, Path(folder), arguments.runs, arguments.before) for form in READERS]
    sys.exit(1 if any(slower) else 0)


def write_tables(folder: Path, rows: int) -> None:
    """`table.csv` and `table.parquet`: numbers of six digits, and one row in five in default."""
    import numpy as np
    from benchmarks._psi_rivals import CATEGORICAL, sample

    table = sample(rows, 1, 0.0).round(6).drop(columns=CATEGORICAL[-1])
    table["default"] = (np.random.default_rng(3).random(rows) < 0.2).astype("int8")
    table.to_csv(folder / "table.csv", index=False)
    table.astype(dict.fromkeys(CATEGORICAL[:-1], "str")).to_parquet(folder / "table.parquet", index=False)
    for form in READERS:
        size = (folder / f"table.{form}").stat().st_size / 1e6
        print(f"table.{form}: {rows:,} rows, {table.shape[1]} columns, {size:,.0f} MB")


def compare(form: str, folder: Path, runs: int, before: Path | None) -> bool:
    """Print one table; True where the other version took less time or less memory."""
    (folder / "params.yaml").write_text(PARAMS.format(file=f"table.{form}"))
    ours, theirs = "lockgate prepare", "lockgate prepare, before"
    prepare = [sys.executable, "-m", "lockgate", "prepare"]
    commands = {ours: prepare, **({theirs: prepare} if before else {})}
    commands |= {name: command for name, command in READERS[form].items() if can_run(command, folder)}
    kits = {theirs: before.resolve()} if before else {}
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(run(command, folder, kits.get(name, HERE)))
    medians = {
        name: Run(
            statistics.median(one.clock for one in each),
            statistics.median(one.processor for one in each),
            max(one.megabytes for one in each),
        )
        for name, each in found.items()
    }
    base = medians[ours]
    print(f"\n{form}: {runs} runs, load {os.getloadavg()[0]:.1f}")
    print(f"{'':26}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}   {ours} takes, times: clock, CPU, memory")
    for name, one in medians.items():
        ratios = (base.clock / one.clock, base.processor / one.processor, base.megabytes / one.megabytes)
        print(
            f"{name:26}{one.clock:9.2f}{one.processor:8.2f}{one.megabytes:9,.0f}   "
            + "  ".join(f"{r:6.2f}" for r in ratios)
        )
    other = medians.get(theirs)
    return other is not None and (base.processor > other.processor or base.megabytes > other.megabytes)


def can_run(command: list[str], folder: Path) -> bool:
    """Whether the command works here; polars needs uv and, the first time, a package index."""
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run(command: list[str], folder: Path, kit: Path) -> Run:
    """Run `command` in `folder` with the package of `kit`, and end where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(kit), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}")
    return Run(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_000)


if __name__ == "__main__":
    main()
