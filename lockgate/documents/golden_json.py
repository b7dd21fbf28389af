"""`golden.json`: rows with known answers, by which whoever holds the bundle can ask a model or a service itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Document, Name, Share
from lockgate.documents.schema_json import Schema

GoldenValue = int | float | str | None
GoldenRow = Mapping[str, GoldenValue]


class GoldenPredictions(Document, frozen=True, kw_only=True):
    """Rows (feature to value), made from bins and categories, and the probability that the model gives each of them."""

    HOW_TO_FIX: ClassVar[str] = "train the bundle again with this version of Lockgate"

    schema: Literal[1] = 1
    rows: Annotated[tuple[dict[Name, GoldenValue], ...], Meta(min_length=1)]
    probabilities: tuple[Share, ...]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.probabilities):
            raise ValueError(f"it has {len(self.rows)} rows and {len(self.probabilities)} probabilities")

    def complete(self, schema: Schema) -> list[tuple[GoldenRow, float]]:
        """The rows with every value that the schema requires, which a service has to answer, and their probabilities."""
        return [
            (row, probability)
            for row, probability in zip(self.rows, self.probabilities, strict=True)
            if is_complete(row, schema)
        ]

    def incomplete(self, schema: Schema) -> list[GoldenRow]:
        """The rows that lack such a value: the model could score them, a service has to refuse them."""
        return [row for row in self.rows if not is_complete(row, schema)]


def is_complete(row: GoldenRow, schema: Schema) -> bool:
    """Whether the row has every value that the schema requires."""
    return all(row.get(feature.name) is not None for feature in schema.features if not feature.nullable)
