"""The schema as pandera checks, run wherever data is read; the first failure as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import ROW_KEY, Feature, Schema

if TYPE_CHECKING:
    import pandas as pd

# What is ours to demand: of labelled data names, types, bounds and labels; of a current batch names and types only,
# since its unseen categories and extremes are what drift is to count.
Role = Literal["train", "test", "current"]


def check_frame(frame: pd.DataFrame, schema: Schema, role: Role, where: str) -> None:
    """Raises InputError with one line naming column and mend where `frame` does not follow `schema`."""
    import pandera.pandas as pandera
    from pandera.errors import SchemaErrors

    columns: dict[str, Any] = {feature.name: _feature_column(pandera, feature, role) for feature in schema.features}
    if role != "current":
        columns[ROW_KEY] = pandera.Column(str, unique=True, nullable=False)
        columns[schema.target] = pandera.Column("int8", pandera.Check.isin([0, 1]), nullable=False)
        if schema.weight_column:
            columns[schema.weight_column] = pandera.Column(float, pandera.Check.ge(0), nullable=False)
        for audit in schema.audit:
            columns[audit.name] = pandera.Column(None, nullable=True)
    try:
        pandera.DataFrameSchema(columns).validate(frame, lazy=True)
    except SchemaErrors as failure:
        raise InputError(f"{where}: {_one_line(failure)}") from None


def _feature_column(pandera: Any, feature: Feature, role: Role) -> Any:
    checks = []
    if role != "current":
        if feature.minimum is not None:
            checks.append(pandera.Check.ge(feature.minimum))
        if feature.maximum is not None:
            checks.append(pandera.Check.le(feature.maximum))
    if role == "train" and feature.kind == "categorical":
        checks.append(pandera.Check.isin(feature.categories))
    checks.insert(0, pandera.Check(_is_kind(feature.kind), name=f"is {feature.kind}", element_wise=False))
    return pandera.Column(None, checks, nullable=True)


def _is_kind(kind: str) -> Any:
    def check(column: pd.Series) -> bool:
        from pandas.api import types

        if kind == "numeric":
            return bool(types.is_numeric_dtype(column) and not types.is_bool_dtype(column))
        return bool(types.is_string_dtype(column))

    return check


# What a failed check means to who reads it, by the start of pandera's name for it.
MEANINGS = {
    "is numeric": "must hold numbers; mend the column or prepare.kinds",
    "is categorical": "must hold text; mend the column or prepare.kinds",
    "greater_than_or_equal_to": "is below the lowest value allowed; mend the rows or prepare.bounds",
    "less_than_or_equal_to": "is above the highest value allowed; mend the rows or prepare.bounds",
    "isin": "has a value that the schema does not know; prepare the data again",
    "not_nullable": "must not be missing; fill it or leave the rows out",
    "field_uniqueness": "must be there once; remove the copies",
}


def _one_line(failure: Any) -> str:
    case = failure.failure_cases.iloc[0]
    check = str(case["check"])
    if check == "column_in_dataframe":
        return f"column `{case['failure_case']}` is missing; bring it back or take it out of the training data"
    meaning = next((text for start, text in MEANINGS.items() if check.startswith(start)), f"fails the check {check}")
    count = int((failure.failure_cases["check"] == check).sum())
    shown = "" if check.startswith("is ") else f" ({count:,} rows, the first with {case['failure_case']})"
    return f"column `{case['column']}`{shown} {meaning}"
