"""Scores of any table by a bundle, some rows at a time: the same bits as `/predict`, and the same rows refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.suggest import nearest
from lockgate.data.dataset import read_features
from lockgate.data.names import quoted
from lockgate.data.roles import with_schema_names
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.tables import Table, as_source
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.documents.schema_json import Decision, Feature
from lockgate.model.bundle import GOLDEN, SCHEMA, Bundle
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.onnx_runtime import TOLERANCE, OnnxModel

ANSWERS = ("probability", "decision", "model")  # as `/predict` calls them

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredRows:
    """Rows with what a bundle says of them, in their order.

    `answers` has the columns that are carried along, then `ANSWERS`; `features` has the rows as the bundle's schema reads them,
    numbers as float64; `identifiers` the texts of the identifiers that a request may carry, null where a table lacks them.
    """

    answers: pa.Table
    features: pa.Table
    identifiers: pa.Table
    probabilities: NDArray[np.float64]
    decisions: list[Decision]


class TableScorer:
    """Scores batches of rows by one bundle, which is held against its golden predictions first."""

    def __init__(self, bundle: Bundle, *, refuse_unseen: bool = True, keep: Sequence[str] = ()) -> None:
        """`keep` names columns to carry along beside the schema's identifiers, which a table may lack.

        Raises InputError where the bundle does not decide, or model.onnx does not give the golden probabilities.
        """
        if bundle.schema.decision is None:
            raise InputError(f"{bundle.path(SCHEMA)} has no decision, so it is not the schema of a trained model")
        self._schema, self._digest, self._decide = bundle.schema, bundle.digest, bundle.schema.decision.decide
        self._refuse_unseen = refuse_unseen
        self._keep = dict.fromkeys([*bundle.schema.id_columns, *keep])
        self._needed = set(keep)
        self._carried: set[str] | None = None  # the columns of the first rows that are carried along
        model = OnnxModel(bundle.onnx, len(self._schema.features))
        # Of the kit's own kinds of model a row has the same bits alone and among others; of any other graph nobody knows.
        self._score = model.many if bundle.native is not None else model.each
        golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
        found = self._probabilities(pd.DataFrame(list(golden.rows), columns=self._schema.feature_names))
        if not np.allclose(found, golden.probabilities, rtol=0.0, atol=TOLERANCE):
            raise InputError("model.onnx does not give the probabilities in golden.json; run `lockgate train` again")

    def score(self, rows: SourceTable) -> ScoredRows:
        """Score rows; raises InputError naming the first that `/predict` would refuse."""
        features = read_features(rows, self._schema)
        features = pa.table(
            {
                one.name: features[one.name].cast(pa.float64() if one.kind == "numeric" else pa.string(), safe=False)
                for one in self._schema.features
            }
        )
        self._require_scorable(features, rows)
        probabilities = self._probabilities(features.to_pandas())
        decisions = list(map(self._decide, probabilities.tolist()))
        answers = {
            **self._kept_columns(rows),
            "probability": pa.array(probabilities),
            "decision": pa.array(decisions),
            "model": pa.array([self._digest] * len(decisions)),
        }
        return ScoredRows(pa.table(answers), features, self._identifiers(rows), probabilities, decisions)

    def _probabilities(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        return self._score(code_matrix(model_frame(rows, self._schema)))

    def _identifiers(self, rows: SourceTable) -> pa.Table:
        named, count = with_schema_names(rows, self._schema), rows.columns.num_rows
        names = self._schema.request_identifiers
        missing = pa.nulls(count, pa.string())
        return pa.table({name: cell_texts(named.cells(name)) if name in named.names else missing for name in names})

    def _kept_columns(self, rows: SourceTable) -> dict[str, pa.ChunkedArray]:
        """Whole numbers as numbers, all else as the text that stands in the file; identifiers that are not there are left out."""
        named = with_schema_names(rows, self._schema)
        for name in self._needed:
            if name not in named.names:
                raise InputError(f"{rows.name}: column `{name}` is not there; {nearest(name, named.names)}")
        cells = {name: named.cells(name) for name in self._keep if name in named.names}
        if self._carried is None:
            self._carried = set(cells)
        for name in self._keep:
            if (name in cells) != (name in self._carried):
                problem = "is there, and earlier rows lack" if name in cells else "is not there, and earlier rows have"
                raise InputError(f"{rows.name}: column `{name}` {problem} it; write it in all files, or in none")
        for name in cells:
            if name in ANSWERS:
                raise InputError(
                    f"{rows.name}: column `{name}` cannot be carried along, as the scores have a column of that name; rename it, "
                    "or leave it out"
                )
        return {name: one if pa.types.is_integer(one.type) else cell_texts(one) for name, one in cells.items()}

    def _require_scorable(self, features: pa.Table, rows: SourceTable) -> None:
        refused = np.zeros(features.num_rows, bool)
        first: tuple[int, str, str] | None = None  # the place of a row, a feature, and what its value should be
        for feature in self._schema.features:
            for wrong, wanted in self._problems(feature, features[feature.name]):
                refused |= wrong
                if wrong.any() and (first is None or wrong.argmax() < first[0]):
                    first = int(wrong.argmax()), feature.name, wanted
        if first is None:
            return
        place, name, wanted = first
        value = features[name][place].as_py()
        found = "missing" if value is None else quoted(value) if isinstance(value, str) else f"{value:g}"
        raise InputError(
            f"{rows.name}: `/predict` would refuse {int(refused.sum()):,} of these rows; in {rows.place(place)} `{name}` is "
            f"{found}, and {wanted}; correct the rows or leave them out"
        )

    def _problems(self, feature: Feature, values: pa.ChunkedArray) -> Iterator[tuple[Flags, str]]:
        """Which rows the service would refuse for the value of a feature, and what it takes instead."""
        missing = _flags(values.is_null())
        if not feature.nullable:
            yield missing, "no training row lacked it"
        if feature.kind == "categorical":
            if self._refuse_unseen:
                known = _flags(pc.is_in(values, pa.array(feature.categories, pa.string())))
                yield ~known & ~missing, "no training row had that (--unseen-categories missing takes it as missing)"
            return
        low, high = feature.bounds
        numbers = values.to_numpy()
        yield (numbers < low) | (numbers > high), f"it must be from {low:g} to {high:g}"
        if feature.integer:
            yield ~missing & (np.trunc(numbers) != numbers), "it must be a whole number"


def score_table(
    bundle: Bundle, rows: SourceTable | Table | pd.DataFrame, *, refuse_unseen: bool = True, keep: Sequence[str] = ()
) -> pd.DataFrame:
    """Score the rows of any table by the schema of a bundle: the same bits as `/predict`, and the same rows refused.

    Columns, in the order of the rows: the schema's identifiers where they are there and the columns `keep`, then
    `probability` of the event, `decision` and `model`, the bundle's digest. Categories that no training row had are refused unless
    `refuse_unseen` is false, and then missing. Raises InputError naming the first row that is refused.

    Whether the bundle passed its gate is not asked here: `GateResult.require_pass` does.
    """
    scorer = TableScorer(bundle, refuse_unseen=refuse_unseen, keep=keep)
    frame: pd.DataFrame = scorer.score(as_source(rows, "the table")).answers.to_pandas()
    return frame


def _flags(values: pa.ChunkedArray) -> Flags:
    flags: Flags = values.to_numpy()
    return flags
