"""Medians, a table and memory, for every benchmark."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timed:
    """What was run, its median times in milliseconds, how often, and what the last run returned.

    `processor` adds up all threads; well under `milliseconds` on one thread, it shows that other processes kept the machine busy.
    """

    name: str
    milliseconds: float
    processor: float
    repetitions: int
    result: Any


def timed(name: str, function: Callable[[], Any], repetitions: int) -> Timed:
    """Median wall and processor time of `repetitions` runs."""
    print(f"  {name} ...", file=sys.stderr, flush=True)
    wall, processor = [], []
    for _ in range(repetitions):
        start, start_processor = time.perf_counter(), time.process_time()
        result = function()
        wall.append(1_000.0 * (time.perf_counter() - start))
        processor.append(1_000.0 * (time.process_time() - start_processor))
    return Timed(name, statistics.median(wall), statistics.median(processor), repetitions, result)


def print_table(title: str, rows: list[Timed], base: Timed) -> None:
    """One line for each of `rows`, with its time as a multiple of `base`'s."""
    width = max(len(row.name) for row in rows)
    print(f"\n{title}\n{'':{width}}  {'median ms':>10}  {'CPU ms':>8}  {'runs':>4}  {'x ' + base.name}")
    for row in rows:
        times = f"{row.milliseconds:10,.0f}  {row.processor:8,.0f}  {row.repetitions:4}"
        print(f"{row.name:{width}}  {times}  {ratio(row, base):8.2f}")


def ratio(slow: Timed, fast: Timed) -> float:
    """How many times as long `slow` takes."""
    return slow.milliseconds / fast.milliseconds


def peak_megabytes() -> float:
    """The most memory that this process has had resident, in MB (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000.0
