"""From a request's body to rows of values in the schema's order, or a refusal that names every problem with its place.

`RequestReader` is the quick way, for bodies that are right. `BodyProblems` is the slow one, taken only once a body is known
to be wrong. Nothing of the body is repeated, not even the name of a key that is not a feature: what a client sends by
mistake can be personal, and errors end in logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.errors import INVALID_REQUEST, JSON, MAX_PROBLEMS, Header, Problem, Refusal, refuse
from lockgate.service.api.request_types import INTEGERS, RequestTypes
from lockgate.service.settings import MAX_BATCH_ROWS, MAX_IDENTIFIER

Row = tuple[float | str | None, ...]
Identifiers = tuple[str | int | None, ...]  # of a row, in the order of the schema's; empty where it has none
NOT_JSON = object()
ACCEPT = [(b"accept-post", JSON)]
ACCEPT_PLAIN = [(b"accept-encoding", b"identity")]
BYTE = re.compile(r"\(byte (\d+)\)")


def require_json(headers: Sequence[Header]) -> None:
    """Raises Refusal unless these headers say that the body is JSON in UTF-8, as it is."""
    kind = encoding = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding":
            encoding = value
    if kind != JSON and not _is_json(kind):
        raise refuse(
            415, "unsupported-media-type", ("header", "content-type"), "send application/json in UTF-8", ACCEPT
        )
    if encoding and encoding.strip().lower() != b"identity":
        raise refuse(
            415, "unsupported-encoding", ("header", "content-encoding"), "send the body uncompressed", ACCEPT_PLAIN
        )


def _is_json(content_type: bytes) -> bool:
    kind, *parameters = [part.strip().lower() for part in content_type.split(b";")]
    return kind == JSON and all(one in (b"", b"charset=utf-8", b'charset="utf-8"') for one in parameters)


class RequestReader:
    """Decodes bodies whose values have the right types and bounds; categories and whole numbers are checked later."""

    def __init__(self, schema: Schema, types: RequestTypes) -> None:
        self._applicant: msgspec.json.Decoder[Any] = msgspec.json.Decoder(types.applicant)
        self._batch: msgspec.json.Decoder[Any] = msgspec.json.Decoder(types.batch)
        self._problems = BodyProblems(schema)
        names = schema.feature_names
        self._features = len(names)
        self._colons = len(names) + sum(name.count(":") for name in names)
        self._identifier_colons = [1 + name.count(":") for name in schema.request_identifiers]
        self._all_identifier_colons = sum(self._identifier_colons)
        self._no_identifiers = (None,) * len(self._identifier_colons)

    def applicant(self, body: bytes) -> tuple[Row, Identifiers]:
        """The values of the applicant in `body`, and its identifiers; raises Refusal."""
        try:
            row: Row = astuple(self._applicant.decode(body))
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._problems.refusal(body, batch=False, error=error) from None
        # msgspec keeps the last of two equal keys. Every feature is required, and every other key but an identifier refused, so
        # that as many colons as keys means no key twice; more can also be a text that has one, or an identifier that is null,
        # which the exact check tells apart.
        identifiers: Identifiers = ()
        colons = self._colons
        if self._identifier_colons:
            row, identifiers = row[: self._features], row[self._features :]  # type: ignore[assignment]
            colons += self._colons_of(identifiers)
        if body.count(b":") != colons:
            self._refuse_duplicates(body, batch=False)
        return row, identifiers

    def batch(self, body: bytes) -> tuple[list[Row], list[Identifiers]]:
        """The values of each applicant in `body`, at least one, and the identifiers of each where the schema has any; raises
        Refusal naming the rows that are wrong."""
        try:
            rows: list[Row] = list(map(astuple, self._batch.decode(body).rows))
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._problems.refusal(body, batch=True, error=error) from None
        identifiers: list[Identifiers] = []
        expected = self._colons * len(rows) + 1
        if self._identifier_colons:
            identifiers = [row[self._features :] for row in rows]  # type: ignore[misc]
            rows = [row[: self._features] for row in rows]
            expected += sum(map(self._colons_of, identifiers))
        colons = np.count_nonzero(np.frombuffer(body, dtype=np.uint8) == ord(":"))  # ten times as fast as bytes.count
        if colons != expected:
            self._refuse_duplicates(body, batch=True)
        return rows, identifiers

    def _colons_of(self, identifiers: Identifiers) -> int:
        """How many colons the keys of the identifiers that are there have behind them and in them."""
        if None not in identifiers:
            return self._all_identifier_colons
        if identifiers == self._no_identifiers:
            return 0
        colons = zip(self._identifier_colons, identifiers, strict=True)
        return sum(count for count, one in colons if one is not None)

    def _refuse_duplicates(self, body: bytes, *, batch: bool) -> None:
        refusal: Refusal | None = self._problems.duplicates(body, batch=batch)
        if refusal is not None:
            raise refusal


class Pairs(list[tuple[str, Any]]):
    """The keys and values of an object as they were written, duplicates included."""


class BodyProblems:
    """Finds what is wrong with bodies for one schema."""

    def __init__(self, schema: Schema) -> None:
        self._features = {feature.name: feature for feature in schema.features}
        self._identifiers = set(schema.request_identifiers)

    def refusal(self, body: bytes, *, batch: bool, error: BaseException) -> Refusal:
        """The refusal of a body that the decoder stopped at with `error`."""
        value = _parsed(body) if isinstance(error, msgspec.ValidationError) else NOT_JSON
        if value is NOT_JSON:
            return _malformed(error)
        problems = self._of_body(value, batch)[:MAX_PROBLEMS]
        return Refusal(422, INVALID_REQUEST, problems or [Problem(("body",), "the body does not fit the schema")])

    def duplicates(self, body: bytes, *, batch: bool) -> Refusal | None:
        """The refusal of a body that the decoder took, where one of its objects has a key twice."""
        value = _parsed(body)
        problems = self._of_body(value, batch)[:MAX_PROBLEMS]
        return Refusal(422, INVALID_REQUEST, problems) if problems else None

    def _of_body(self, value: Any, batch: bool) -> list[Problem]:
        if not batch:
            return self._of_row(value, ("body",))
        if not isinstance(value, Pairs):
            return [Problem(("body",), 'expected an object: {"rows": [...]}')]
        keys = [key for key, _ in value]
        if keys != ["rows"]:
            return [Problem(("body",), "expected the key `rows`, once, and no other")]
        rows = value[0][1]
        if not isinstance(rows, list) or isinstance(rows, Pairs):
            return [Problem(("body", "rows"), f"expected a list of 1 to {MAX_BATCH_ROWS:,} applicants")]
        if not 1 <= len(rows) <= MAX_BATCH_ROWS:
            return [Problem(("body", "rows"), f"expected 1 to {MAX_BATCH_ROWS:,} applicants, got {len(rows):,}")]
        problems: list[Problem] = []
        for place, row in enumerate(rows):
            problems += self._of_row(row, ("body", "rows", place))
            if len(problems) >= MAX_PROBLEMS:
                break
        return problems

    def _of_row(self, row: Any, loc: tuple[str | int, ...]) -> list[Problem]:
        if not isinstance(row, Pairs):
            return [Problem(loc, "expected an object with a key for each feature")]
        problems, seen = [], set()
        for place, (key, value) in enumerate(row, start=1):
            feature = self._features.get(key)
            if feature is None and key not in self._identifiers:
                what = "neither a feature nor an identifier" if self._identifiers else "not a feature"
                problems.append(Problem(loc, f"key {place} is {what}; leave it out"))
            elif key in seen:
                problems.append(Problem((*loc, key), "the key is there twice"))
            else:
                problem = _of_identifier(value) if feature is None else _of_value(value, feature)
                problems += [Problem((*loc, key), problem)] if problem else []
            seen.add(key)
        missing = [name for name in self._features if name not in seen]
        return problems + [Problem((*loc, name), "the key is missing") for name in missing]


def _of_value(value: Any, feature: Feature) -> str | None:
    """What is wrong with a feature's value, beyond its category, or None."""
    if value is None:
        return None if feature.nullable else "must not be null: the training rows had no missing values here"
    if feature.kind == "categorical":
        return None if isinstance(value, str) else "expected a text"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "expected a whole number" if feature.integer else "expected a number"
    low, high = feature.bounds
    if not low <= value <= high:
        return f"expected a number from {low:g} to {high:g}"
    return None


def _of_identifier(value: Any) -> str | None:
    """What is wrong with an identifier, or None. Whole numbers come as floats here, and stay exact in the quick way."""
    if value is None:
        return None
    if isinstance(value, str):
        fits = 1 <= len(value) <= MAX_IDENTIFIER
        return None if fits else f"expected a text of 1 to {MAX_IDENTIFIER} characters, or a whole number"
    if isinstance(value, WholeNumber) and abs(value) <= -INTEGERS[0]:
        return None
    return "expected a text, or a whole number of 64 bits"


def _parsed(body: bytes) -> Any:
    """The body with objects as Pairs, or NOT_JSON."""
    try:
        return json.loads(body.decode(), object_pairs_hook=Pairs, parse_int=_whole, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError):
        return NOT_JSON


class WholeNumber(float):
    """A number that was written without a point: what an identifier may be."""


def _whole(digits: str) -> float:
    """As a float: thousands of digits cost time that grows with their square, and are out of bounds either way."""
    return WholeNumber(digits)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _malformed(error: BaseException) -> Refusal:
    if isinstance(error, UnicodeDecodeError):
        message = "the body is not UTF-8"
    else:
        place = BYTE.search(str(error))
        message = "the body is not valid JSON" + (f" (from byte {place.group(1)} on)" if place else "")
    return Refusal(400, "malformed-json", [Problem(("body",), message)])
