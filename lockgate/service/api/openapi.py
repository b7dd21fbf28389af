"""What FastAPI's OpenAPI document says beyond the routes: the bodies' schemas, made from the types that they are decoded into.

A route names the schema of its body and of its answer; `make_openapi` adds the schemas themselves, which depend on the model, and
an example that works when it is pasted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from lockgate.config.version import __version__
from lockgate.documents.document import JsonValue
from lockgate.documents.profile_json import FeatureProfile, Profile
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.bearer_token import OPEN_PATHS
from lockgate.service.api.errors import ErrorAnswer
from lockgate.service.api.response_types import (
    BatchAnswer,
    DriftAnswer,
    ExplainAnswer,
    HealthAnswer,
    PredictAnswer,
    ReadyAnswer,
)
from lockgate.service.scoring.explainer import DEFAULT_REASONS
from lockgate.service.scoring.predictor import Predictor

TITLE = "Lockgate"
JSON_TYPE = "application/json"
REFERENCE = "#/components/schemas/{name}"
ANSWERS = (PredictAnswer, BatchAnswer, ExplainAnswer, DriftAnswer, HealthAnswer, ReadyAnswer, ErrorAnswer)
# What each status means, for every path and for those that take a body.
ALWAYS = {
    400: "The request is not HTTP/1.1, or its body not JSON in UTF-8.",
    405: "The path does not take this method; `Allow` says which it takes.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
    431: "The address and headers are too long, or too many.",
    503: "Not now: too many requests at a time, or not ready; `Retry-After` says when.",
}
WITH_BODY = {
    415: "The body is not `application/json` in UTF-8, or compressed.",
    422: "The body does not fit the schema; every problem is named with its place, and nothing of the body repeated.",
}
NO_TOKEN = "The request brings no token of this service, `Authorization: Bearer TOKEN`."  # noqa: S105  # what 401 means
TEXT = {"type": "string"}
HEADERS = {
    "x-request-id": {"description": "The request's own id, or a new one.", "schema": TEXT},
    "x-model-digest": {"description": "The model that is served.", "schema": TEXT},
}

Content = Mapping[str, JsonValue]  # by media type
OpenApi = dict[str, Any]  # FastAPI's form of the document and of its parts


def json_content(name: str) -> Content:
    """A body of the type called `name`."""
    return {JSON_TYPE: {"schema": {"$ref": REFERENCE.format(name=name)}}}


def text_content(*media_types: str) -> Content:
    """A body that is a text, in one of these forms."""
    return {one: {"schema": TEXT} for one in media_types}


def responses(content: Content, *, with_body: bool = False) -> dict[int | str, OpenApi]:
    """Every status that a path can answer with, `content` with 200; `with_body`: it takes a body."""
    refused = {**ALWAYS, **(WITH_BODY if with_body else {})}
    found: dict[int | str, OpenApi] = {200: _response("Answered.", content)}
    for status in sorted(refused):
        found[status] = _response(refused[status], json_content("ErrorAnswer"))
    return found


def request_body(name: str) -> OpenApi:
    """The part of a route that takes a body of the type called `name`, which it reads and decodes itself."""
    return {"requestBody": {"required": True, "content": json_content(name)}}


REASONS_PARAMETER = {"parameters": [{"name": "reasons", "in": "query", "description": "How many reasons at most."}]}


def make_openapi(routes: Sequence[BaseRoute], predictor: Predictor, needs_token: bool) -> OpenApi:
    """FastAPI's document of `routes`, for the model of `predictor`; /explain is in it where that model can be explained.

    `needs_token`: all but the open paths ask for a bearer token.
    """
    schema, explains = predictor.bundle.schema, predictor.explainer is not None
    described = (
        f"Serves the model `{predictor.bundle.digest}`. Every answer carries its model's digest and a request id."
    )
    document = get_openapi(
        title=TITLE,
        version=__version__,
        description=described,
        routes=[one for one in routes if explains or not _explains(one)],
    )
    types = [one for one in ANSWERS if explains or one is not ExplainAnswer]
    _, schemas = msgspec.json.schema_components(
        [predictor.types.applicant, predictor.types.batch, *types], ref_template=REFERENCE
    )
    _describe_integers(schemas["Applicant"]["properties"], schema.features)
    document["components"] = {"schemas": schemas}
    applicant = example_applicant(schema, predictor.bundle.profile)
    examples = {"/predict": applicant, "/predict/batch": {"rows": [applicant]}, "/explain": applicant}
    for path, example in examples.items():
        if path in document["paths"]:
            document["paths"][path]["post"]["requestBody"]["content"][JSON_TYPE]["example"] = example
    if explains:
        most = len(schema.features)
        (reasons,) = document["paths"]["/explain"]["post"]["parameters"]
        reasons["schema"] = {"type": "integer", "minimum": 1, "maximum": most, "default": min(DEFAULT_REASONS, most)}
    if needs_token:
        _describe_token(document)
    return document


def _describe_token(document: OpenApi) -> None:
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path not in OPEN_PATHS:
                operation["security"] = [{"token": []}]
                operation["responses"]["401"] = _response(NO_TOKEN, json_content("ErrorAnswer"))


def _explains(route: BaseRoute) -> bool:
    return getattr(route, "path", None) == "/explain"


def _response(description: str, content: Content) -> OpenApi:
    return {"description": description, "headers": HEADERS, "content": content}


def _describe_integers(properties: Mapping[str, JsonValue], features: Sequence[Feature]) -> None:
    """Whole numbers, which are decoded as floats, are integers to whoever reads the document."""
    for feature in features:
        if feature.kind == "numeric" and feature.integer:
            described = properties[feature.name]
            number = described["anyOf"][0] if feature.nullable else described
            low, high = feature.bounds
            number.update(type="integer", minimum=math.ceil(low), maximum=math.floor(high))


def example_applicant(schema: Schema, profile: Profile) -> dict[str, float | str]:
    """Every feature with the middle edge of its bins, or its most frequent category."""
    return {
        feature.name: _ordinary(feature, bins) for feature, bins in zip(schema.features, profile.features, strict=False)
    }


def _ordinary(feature: Feature, bins: FeatureProfile) -> float | str:
    if feature.kind == "categorical":
        rows = bins.counts[:-1]  # without missing
        return feature.categories[rows.index(max(rows))]
    low, high = feature.bounds
    middle = bins.edges[len(bins.edges) // 2] if bins.edges else 0.0
    value = min(max(middle, low), high)
    return int(value) if feature.integer else value
