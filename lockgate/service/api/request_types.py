"""The types of requests, made from the bundle's schema: what they accept is what the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.settings import MAX_BATCH_ROWS, MAX_IDENTIFIER

# Texts are taken as they are, whole numbers exactly: 7 and "7" are one identifier, "007" is another.
INTEGERS = (-(2**63), 2**63 - 1)
Identifier = (
    Annotated[str, Meta(min_length=1, max_length=MAX_IDENTIFIER)]
    | Annotated[int, Meta(ge=INTEGERS[0], le=INTEGERS[1])]
    | None
)
DESCRIBED = Meta(description="Identifies the row; kept in the decision log, never scored.")


@dataclass(frozen=True)
class RequestTypes:
    """`applicant` has a field a feature, f0, f1, ..., in the schema's order, then one an identifier, i0, i1, ..., named in JSON as
    these are."""

    applicant: type[msgspec.Struct]
    batch: type[msgspec.Struct]


def request_types(schema: Schema) -> RequestTypes:
    """Types that take every feature exactly once, `null` only where the training rows had missing values; the schema's
    identifiers or not; and no other key."""
    identifiers = schema.request_identifiers
    fields: list[Any] = [(f"f{place}", _type(feature)) for place, feature in enumerate(schema.features)]
    fields += [(f"i{place}", Annotated[Identifier, DESCRIBED], None) for place in range(len(identifiers))]
    names = {f"f{place}": feature.name for place, feature in enumerate(schema.features)}
    names |= {f"i{place}": name for place, name in enumerate(identifiers)}
    applicant = msgspec.defstruct("Applicant", fields, rename=names, forbid_unknown_fields=True, frozen=True, gc=False)
    rows = Annotated[list[applicant], Meta(min_length=1, max_length=MAX_BATCH_ROWS)]  # type: ignore[valid-type]
    batch = msgspec.defstruct("Batch", [("rows", rows)], forbid_unknown_fields=True, frozen=True, gc=False)
    return RequestTypes(applicant, batch)


def largest_body(schema: Schema) -> int:
    """Bytes that a full batch can need, with room for spaces and escapes, and at least 64 kB."""
    row = sum(
        len(feature.name.encode()) + max(32, *(len(one.encode()) for one in ("", *feature.categories))) + 16
        for feature in schema.features
    ) + sum(len(name.encode()) + 4 * MAX_IDENTIFIER + 16 for name in schema.request_identifiers)
    return max(65_536, MAX_BATCH_ROWS * (row + 16))


def _type(feature: Feature) -> Any:
    """A number or a text, and what the OpenAPI document says of it beyond what msgspec checks.

    Whole numbers are decoded as floats, because 3.0 is an integer in JSON Schema and to many clients; categories as
    any text, because an unseen one is counted before it is refused.
    """
    if feature.kind == "categorical":
        kind: Any = Annotated[str, Meta(extra_json_schema={"enum": list(feature.categories)})]
    else:
        low, high = feature.bounds
        kind = Annotated[float, Meta(ge=low, le=high)]
    return kind | None if feature.nullable else kind
