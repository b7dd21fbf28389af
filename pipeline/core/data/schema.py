"""The schema of the data: what each column is, learnt from the training rows and frozen with the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import read_json, readable_json

SCHEMA_VERSION = 1
# Names that the kit gives itself: the row key, the model's score in drift.json, and columns of predictions.parquet.
ROW_KEY = "row_key"
RESERVED_COLUMNS = (ROW_KEY, "score")
RESERVED_FOR_PREDICTIONS = (ROW_KEY, "y_true", "y_score", "weight")
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
    mend = "run `lockgate prepare` (or `dvc repro`) to make it"
    document = read_json(path, mend)
    if document.pop("schema", None) != SCHEMA_VERSION:
        raise InputError(f"{path} is not schema version {SCHEMA_VERSION}; {mend}")
    try:
        return Schema(
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
        raise InputError(f"{path} does not hold a schema; {mend}") from None
