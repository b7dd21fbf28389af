"""A profile made of parts is the one made at once, byte for byte, however the rows are cut; and exact quantiles by counting."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import Drift
from lockgate.data.stage_rows import FrameInMemory, FramePartition, StageRows
from lockgate.documents.profile_json import Calibration, LeafCounts, Profile
from lockgate.documents.schema_json import AuditColumn, DecisionRule, Feature, Schema, TargetClasses
from lockgate.drift.bins import bin_counts, bin_edges
from lockgate.drift.exact_quantiles import CellCounter, ExactQuantiles
from lockgate.drift.profile import HeldOut, build_profile, profile_of_partitions
from lockgate.engine.engine import LocalEngine

ROWS = 6_000
Floats = NDArray[np.float64]


def feature(name: str, *categories: str) -> Feature:
    return Feature(name, "categorical" if categories else "numeric", False, True, categories, None, None, name)


SCHEMA = Schema(
    target="default",
    classes=TargetClasses(("1",), ("0",)),
    features=(
        feature("income"),
        feature("purpose", "car", "home", "boat"),
        feature("late"),
        feature("empty"),
        feature("balance"),
    ),
    audit=(AuditColumn("region", "categorical"), AuditColumn("age", "numeric")),
    id_columns=(),
    time_column=None,
    weight_column=None,
    columns=(),
    decision=DecisionRule(0.3, "below"),
)


def table() -> pd.DataFrame:
    random = np.random.default_rng(5)
    income = random.lognormal(10, 1, ROWS)
    income[random.random(ROWS) < 0.1] = np.nan
    purpose = pd.Series(random.choice(["home", "car"], ROWS)).astype("str")
    purpose[:7] = None
    region = pd.Series(random.choice([f"r{number:02d}" for number in range(40)], ROWS, p=np.arange(1, 41) / 820))
    region[::50] = None
    return pd.DataFrame(
        {
            "income": income,
            "purpose": purpose,
            "late": random.poisson(0.2, ROWS),
            "empty": np.full(ROWS, np.nan),
            "balance": np.where(random.random(ROWS) < 0.6, -0.0, random.normal(0, 1_000, ROWS)),
            "region": region.astype("str"),
            "age": random.integers(18, 80, ROWS),
            "default": np.where(random.random(ROWS) < 0.9, (random.random(ROWS) < 0.2).astype(float), np.nan),
        }
    )


TABLE = table()
HELD_OUT = TABLE[::4]
SCORES = np.random.default_rng(6).beta(1, 4, len(HELD_OUT))
LABELS = (np.random.default_rng(7).random(len(HELD_OUT)) < SCORES).astype(float)


@dataclass(frozen=True)
class Part:
    """Some rows, handed out a few at a time; some parts have none."""

    frame: pd.DataFrame
    rows_at_once: int = 500

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        for first in range(0, len(self.frame), self.rows_at_once):
            rows = self.frame.iloc[first : first + self.rows_at_once]
            yield rows if columns is None else rows[list(columns)]


def cut(frame: pd.DataFrame, parts: int) -> Sequence[FramePartition]:
    """Parts of different sizes, the first of them empty."""
    ends = np.linspace(0, 1, parts) ** 2 * len(frame)
    return [
        Part(frame.iloc[int(first) : int(end)]) for first, end in zip([0, *ends], [*ends, len(frame)], strict=False)
    ]


def at_once(leaves: LeafCounts | None = None, columns: Sequence[str] = ()) -> Profile:
    held_out = HeldOut(SCORES, LABELS, HELD_OUT, leaves)
    return build_profile(TABLE, SCHEMA, Drift(), held_out, segment_columns=columns)


COLUMNS = ["purpose", "region", "absent", "age", "balance"]


@pytest.mark.parametrize(("parts", "workers"), [(1, 1), (7, 2), (64, 2)])
@pytest.mark.parametrize("leaves", [None, LeafCounts(len(HELD_OUT), ((1_000, 500),))])
def test_the_profile_of_parts_has_the_bytes_of_the_one_made_at_once(
    parts: int, workers: int, leaves: LeafCounts | None
) -> None:
    held_out = HeldOut(SCORES, LABELS, cut(HELD_OUT, 1 + parts // 2), leaves)
    made = profile_of_partitions(
        LocalEngine(workers), cut(TABLE, parts), SCHEMA, Drift(), held_out, segment_columns=COLUMNS
    )
    assert made.to_bytes() == at_once(leaves, COLUMNS).to_bytes()


class OtherProcesses(LocalEngine):
    """Sends what it is given, and what comes of it, through pickle, as an engine with workers of their own does."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            there, given = pickle.loads(pickle.dumps((function, item)))  # noqa: S301
            yield pickle.loads(pickle.dumps(there(given)))  # noqa: S301


def test_what_travels_between_processes_pickles() -> None:
    held_out = HeldOut(SCORES, LABELS, cut(HELD_OUT, 2))
    made = profile_of_partitions(OtherProcesses(), cut(TABLE, 3), SCHEMA, Drift(), held_out, segment_columns=COLUMNS)
    assert made == at_once(columns=COLUMNS)


def test_what_is_compared_has_something_in_every_place() -> None:
    profile = at_once(columns=COLUMNS)
    assert [one.column for one in profile.segments] == ["purpose", "region", "age", "balance"]
    assert profile.segments[1].left_out > 0
    assert profile.pairs is not None
    assert profile.labels is not None
    assert all(one.scores is not None and sum(one.scores.rows) == len(HELD_OUT) for one in profile.features[:-1])
    assert at_once(LeafCounts(1, ((1,),))).pairs is None


def test_a_frame_in_memory_is_a_part_and_what_is_not_known_stays_out() -> None:
    made = profile_of_partitions(
        LocalEngine(), [FrameInMemory(TABLE)], SCHEMA, Drift(bins=5), HeldOut(SCORES), segment_columns=()
    )
    assert made == build_profile(TABLE, SCHEMA, Drift(bins=5), HeldOut(SCORES), threads=3)
    known = Calibration(10, 0.5, 1.0, (0.1, 0.0, 0.1))
    streamed = profile_of_partitions(
        LocalEngine(), cut(TABLE.drop(columns="default"), 3), SCHEMA, Drift(), HeldOut(SCORES, calibration=known)
    )
    assert (streamed.labels, streamed.calibration, streamed.performance) == (None, known, None)


def test_scores_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1,499 scores are not those of 1,500 held-out rows"):
        profile_of_partitions(LocalEngine(), cut(TABLE, 3), SCHEMA, Drift(), HeldOut(SCORES[1:], rows=cut(HELD_OUT, 3)))


def test_a_part_with_a_category_that_the_schema_lacks_or_with_text_for_numbers_is_named() -> None:
    wrong = TABLE.copy()
    wrong.loc[5_900, "purpose"] = "crypto"
    with pytest.raises(ValueError, match=r"purpose.*crypto"):
        profile_of_partitions(LocalEngine(), cut(wrong, 7), SCHEMA, Drift(), HeldOut(SCORES))
    texts = [*cut(TABLE, 3), Part(TABLE.head(3).assign(late="3 days"))]
    with pytest.raises(InputError, match="column late holds str"):
        profile_of_partitions(LocalEngine(2), texts, SCHEMA, Drift(), HeldOut(SCORES))


def test_rows_that_change_between_two_passes_end_it() -> None:
    passes = list[int]()

    class Changing(Part):
        def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
            passes.append(1)
            yield self.frame.assign(income=self.frame["income"] / len(passes))

    big = pd.concat([TABLE] * 30, ignore_index=True)
    big["income"] = np.random.default_rng(8).lognormal(size=len(big))
    with pytest.raises(InputError, match="the training rows changed while they were read"):
        profile_of_partitions(LocalEngine(), [Changing(big)], SCHEMA, Drift(), HeldOut(SCORES))


def test_the_groups_of_a_file_are_parts(tmp_path: Path) -> None:
    rows = TABLE.assign(default=TABLE["default"].fillna(0).astype(int), row_key=np.arange(ROWS).astype(str))
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path, row_group_size=900)
    stage = StageRows(path, SCHEMA, "training")
    assert len(stage.partitions) == 7
    made = profile_of_partitions(LocalEngine(2), stage.partitions, SCHEMA, Drift(), HeldOut(SCORES))
    assert made == build_profile(rows, SCHEMA, Drift(), HeldOut(SCORES))


def numbers() -> dict[str, Floats]:
    random = np.random.default_rng(9)
    rows = 12_000
    normal = random.normal(size=rows)
    return {
        "normal": normal,
        "lognormal": random.lognormal(10, 1, rows),
        "half-zero": np.where(random.random(rows) < 0.5, 0.0, random.lognormal(size=rows)),
        "few": random.integers(0, 50, rows).astype(float),
        "whole": random.integers(0, 10**9, rows).astype(float),
        "large-and-near": 1e15 + random.integers(0, 1_000_000, rows),
        "one": np.full(rows, 3.0),
        "one-at-the-end": np.where(normal < 2.0, 1.0, normal),
        "missing": np.full(rows, np.nan),
        "some-missing": np.where(normal > 0.5, np.nan, normal),
        "both-zeros": np.where(normal < 0.0, -0.0, 0.0),
        "infinite": np.where(normal < -0.3, -np.inf, np.where(normal > 0.3, np.inf, normal)),
        "subnormal": random.random(rows) * 5e-321,
        "all-magnitudes": np.exp(random.uniform(-700, 700, rows)) * random.choice([-1, 1], rows),
        "heavy-among-near-ones": np.where(random.random(rows) < 0.35, 1.2345, random.normal(1.2345, 1e-9, rows)),
    }


NUMBERS = numbers()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("parts", "part_cells", "all_cells"), [(1, 16_384, 131_072), (5, 300, 500), (40, 100, 100)])
def test_edges_and_counts_by_passes_are_those_of_the_sorted_column(
    name: str, parts: int, part_cells: int, all_cells: int
) -> None:
    values = NUMBERS[name]
    found, passes = by_passes(np.array_split(values, parts), part_cells, all_cells)
    for bins in (10, 4, 1):
        edges = found.edges(bins)
        assert edges.tobytes() == bin_edges(values, bins).tobytes()
        assert found.bin_counts(edges).tolist() == bin_counts(values, edges).tolist()
    assert passes <= 12


def test_quantiles_are_numpys() -> None:
    values = NUMBERS["lognormal"]
    found, _ = by_passes(np.array_split(values, 3), 200, 200)
    assert found.edges(10).tolist() == np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf").tolist()


def test_more_cells_take_fewer_passes_and_many_rows_take_two_or_three() -> None:
    values = np.random.default_rng(10).lognormal(size=300_000)
    _, passes = by_passes(np.array_split(values, 4))
    _, more = by_passes(np.array_split(values, 4), 100, 100)
    assert passes in (2, 3)
    assert more > passes


def by_passes(
    parts: Sequence[Floats], part_cells: int = 16_384, all_cells: int = 131_072
) -> tuple[ExactQuantiles, int]:
    found, passes = ExactQuantiles((10, 4, 1)), 0
    count: Callable[[int], CellCounter] = lambda limit: CellCounter(limit, found.bounds)  # noqa: E731
    while not found.is_known:
        total = count(all_cells)
        for part in parts:
            counter = count(part_cells)
            for first in range(0, len(part), 4_000):
                counter.add_numbers(part[first : first + 4_000])
            total.add_cells(counter.cells())
        found.take(total.cells())
        passes += 1
    return found, passes


def test_the_sums_of_more_scores_than_a_float_can_count_survive_the_file() -> None:
    first, *others = at_once().features
    assert first.scores is not None
    many = replace(first, scores=replace(first.scores, score=(2**62, *first.scores.score[1:])))
    profile = replace(at_once(), features=(many, *others))
    assert Profile.read(profile.to_bytes(), "profile.json") == profile
