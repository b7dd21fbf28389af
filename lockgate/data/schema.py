"""The schema of the data: what each column is, learnt from the training rows and frozen with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lockgate.config.errors import InputError
from lockgate.config.files import read_json, readable_json

SCHEMA_VERSION = 1
MEND = "run `lockgate prepare` (or `dvc repro`) to make it"
# Names that the kit gives itself: the row key, the model's score in drift.json, and columns of predictions.parquet.
ROW_KEY = "row_key"
RESERVED_COLUMNS = (ROW_KEY, "score")
RESERVED_PREFIX = "lockgate_"  # of the columns of the decision log that are not features
RESERVED_FOR_PREDICTIONS = (ROW_KEY, "y_true", "y_score", "weight")
LARGEST = 1.7976931348623157e308  # what a float64 holds; NaN is not below it either
Kind = Literal["numeric", "categorical"]


@dataclass(frozen=True)
class Feature:
    """A column that the model is trained on.

    `categories` are sorted and empty for numbers; `nullable` says that the training rows had missing values;
    `minimum` and `maximum` are declared bounds, never learnt; `text` words the feature as an adverse reason.
    """

    name: str
    kind: Kind
    integer: bool
    nullable: bool
    categories: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    text: str


@dataclass(frozen=True)
class AuditColumn:
    """A column kept for slices and fairness, never trained on and never sent to the service."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class DroppedColumn:
    """A column of the source that the model does not see, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Schema:
    """All columns and their roles; `decision` is added when the model is trained."""

    target: str
    positive: str
    features: tuple[Feature, ...]
    audit: tuple[AuditColumn, ...]
    id_columns: tuple[str, ...]
    time_column: str | None
    weight_column: str | None
    dropped: tuple[DroppedColumn, ...]
    decision: dict[str, Any] | None = field(default=None)

    @property
    def feature_names(self) -> list[str]:
        """Names of the features in the order of the model's columns."""
        return [feature.name for feature in self.features]

    def to_bytes(self) -> bytes:
        """The content of `schema.json`."""
        return readable_json({"schema": SCHEMA_VERSION, **asdict(self)})


def read_schema(path: Path) -> Schema:
    """The schema in `path`; raises InputError where it is missing or not one."""
    return schema_from_json(read_json(path, MEND), path)


def schema_from_json(value: Mapping[str, Any], path: Path) -> Schema:
    """The schema that the content of `path` is; raises InputError where it is none."""
    document = dict(value)
    if document.pop("schema", None) != SCHEMA_VERSION:
        raise InputError(f"{path} is not schema version {SCHEMA_VERSION}; {MEND}")
    try:
        schema = Schema(
            features=tuple(
                Feature(**{**feature, "categories": tuple(feature["categories"])})
                for feature in document.pop("features")
            ),
            audit=tuple(AuditColumn(**column) for column in document.pop("audit")),
            dropped=tuple(DroppedColumn(**column) for column in document.pop("dropped")),
            id_columns=tuple(document.pop("id_columns")),
            **document,
        )
    except (KeyError, TypeError):
        raise InputError(f"{path} does not hold a schema; {MEND}") from None
    if (problem := _problem(schema)) is not None:
        raise InputError(f"{path} does not hold a schema: {problem}; {MEND}")
    return schema


def _problem(schema: Any) -> str | None:
    """What has another type than it should: a file whose hash is right can still be of another version, or edited."""
    for place, feature in enumerate(schema.features, start=1):
        if not (isinstance(feature.name, str) and isinstance(feature.text, str)):
            return f"feature {place} has no name and text"
        if feature.kind not in ("numeric", "categorical"):
            return f"feature `{feature.name}` is neither numeric nor categorical"
        if not (isinstance(feature.integer, bool) and isinstance(feature.nullable, bool)):
            return f"feature `{feature.name}` does not say whether it is whole and may be missing"
        if not _are_texts(feature.categories) or len(set(feature.categories)) != len(feature.categories):
            return f"feature `{feature.name}` has categories that are no texts, or one twice"
        if any(not _is_bound(bound) for bound in (feature.minimum, feature.maximum)):
            return f"feature `{feature.name}` has a bound that is no finite number"
    if len(set(schema.feature_names)) != len(schema.features):
        return "two features have the same name"
    columns = [schema.target, schema.positive, *schema.id_columns, *(one.name for one in schema.audit)]
    if not _are_texts([*columns, *(one for one in (schema.time_column, schema.weight_column) if one is not None)]):
        return "a column's name is no text"
    if schema.decision is not None and not isinstance(schema.decision, dict):
        return "the decision is not an object"
    return None


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_bound(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
