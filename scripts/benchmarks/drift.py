"""`lockgate drift` of two tables with hundreds of columns, from CSV to drift.json, in a process of its own.

    scripts/bench drift                  # 500 columns, 20,000 rows a side; exit 1 at 10 s of processor time or more

Nine columns in ten are numbers of four decimals, the others categories of 2 to 21 texts. Evidently's page is not among it: of so
many columns none is drawn.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

TARGET_SECONDS = 10.0


def main() -> None:
    """Write the tables, compare them, print both times."""
    parser = argparse.ArgumentParser(prog="scripts/bench drift", description=__doc__)
    parser.add_argument("--columns", type=int, default=500, help="columns of each table (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of each table (default: %(default)s)")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as folder:
        for name, shift in (("reference.csv", 0.0), ("current.csv", 0.02)):
            table(arguments.columns, arguments.rows, shift, random).to_csv(Path(folder) / name, index=False)
        command = [
            sys.executable,
            "-m",
            "lockgate",
            "drift",
            "--reference",
            "reference.csv",
            "--current",
            "current.csv",
        ]
        start = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        clock = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    print(
        f"{arguments.columns:,} columns, {arguments.rows:,} rows a side: {clock:.1f} s, of processors {processor:.1f} s"
    )
    sys.exit(1 if processor >= TARGET_SECONDS else 0)


def table(columns: int, rows: int, shift: float, random: np.random.Generator) -> pd.DataFrame:
    """One of the two tables."""
    found: dict[str, object] = {}
    for place in range(columns):
        if place % 10:
            found[f"number_{place}"] = random.normal(shift, 1.0, rows).round(4)
        else:
            found[f"category_{place}"] = random.choice([f"value {code}" for code in range(2 + place // 10 % 20)], rows)
    return pd.DataFrame(found)


if __name__ == "__main__":
    main()
