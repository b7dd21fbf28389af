"""The OpenAPI document: made from the types that requests are decoded into, so that it cannot say anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import field

from lockgate.config.version import __version__
from lockgate.documents.document import JsonValue
from lockgate.documents.profile_json import FeatureProfile, Profile
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.errors import ErrorAnswer
from lockgate.service.api.request_types import RequestTypes
from lockgate.service.api.response_types import (
    BatchAnswer,
    DriftAnswer,
    ExplainAnswer,
    HealthAnswer,
    PredictAnswer,
    ReadyAnswer,
)
from lockgate.service.scoring.explainer import DEFAULT_REASONS

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

Example = Mapping[str, JsonValue]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An object of the document; keys that say nothing are left out."""


class ValueSchema(Part, frozen=True):
    """The schema of a header, a parameter or an answer without a type of its own."""

    type: str
    minimum: int | None = None
    maximum: int | None = None
    default: int | None = None


class Reference(Part, frozen=True):
    """Where the schema of a type stands."""

    ref: str = field(name="$ref")


class Content(Part, frozen=True):
    """The schema of a body, and an example of it."""

    schema: Reference | ValueSchema
    example: Example | None = None


class Header(Part, frozen=True):
    """A header of an answer."""

    description: str
    schema: ValueSchema


class Response(Part, frozen=True):
    """What a status means, and the body that comes with it."""

    description: str
    headers: Mapping[str, Header]
    content: Mapping[str, Content]


class Parameter(Part, frozen=True):
    """A parameter of a path's query."""

    name: str
    place: str = field(name="in")
    description: str
    schema: ValueSchema


class RequestBody(Part, frozen=True):
    """The body that a path takes."""

    required: bool
    content: Mapping[str, Content]


class Operation(Part, frozen=True):
    """What a path does with one method."""

    summary: str
    responses: Mapping[str, Response]
    operation_id: str | None = None
    parameters: Sequence[Parameter] = ()
    request_body: RequestBody | None = None


class Info(Part, frozen=True):
    """Whose document it is."""

    title: str
    version: str
    description: str


class Components(Part, frozen=True):
    """The schemas of all types, by name."""

    schemas: Mapping[str, JsonValue]


class OpenApiDocument(Part, frozen=True):
    """The document; a path has one operation, under its method in lower case."""

    openapi: str
    info: Info
    paths: Mapping[str, Mapping[str, Operation]]
    components: Components


TEXT = ValueSchema("string")
HEADERS = {
    "x-request-id": Header("The request's own id, or a new one.", TEXT),
    "x-model-digest": Header("The model that is served.", TEXT),
}


def make_document(
    types: RequestTypes, schema: Schema, example: Example, digest: str, *, explains: bool
) -> OpenApiDocument:
    """The document of a service whose requests are of `types`, made from `schema`; it accepts `example`.

    `explains`: whether it has the path /explain.
    """
    answers = [one for one in ANSWERS if explains or one is not ExplainAnswer]
    _, schemas = msgspec.json.schema_components([types.applicant, types.batch, *answers], ref_template=REFERENCE)
    _describe_integers(schemas["Applicant"]["properties"], schema.features)
    most = len(schema.features)
    reasons = Parameter(
        "reasons",
        "query",
        "How many reasons at most.",
        ValueSchema("integer", minimum=1, maximum=most, default=min(DEFAULT_REASONS, most)),
    )
    explain = _post(
        "The probability, and what pushed it towards the unfavourable decision.",
        "Applicant",
        example,
        "ExplainAnswer",
        [reasons],
    )
    description = f"Serves the model `{digest}`. Every answer carries that digest and a request id."
    return OpenApiDocument(
        openapi="3.1.0",
        info=Info(TITLE, __version__, description),
        paths={
            "/predict": _post("One applicant's probability and decision.", "Applicant", example, "PredictAnswer"),
            "/predict/batch": _post(
                "Up to 1,000 applicants: all are answered, or none.", "Batch", {"rows": [example]}, "BatchAnswer"
            ),
            **({"/explain": explain} if explains else {}),
            "/drift": _get("The last nightly drift run, and PSI since the start.", _json("DriftAnswer")),
            "/metrics": _get("Metrics for Prometheus.", {"text/plain": Content(TEXT)}),
            "/health": _get("Alive, and what is served.", _json("HealthAnswer")),
            "/ready": _get("Whether requests should be sent here.", _json("ReadyAnswer")),
            "/docs": _get("This document for people.", {"text/html": Content(TEXT)}),
            "/openapi.json": _get("This document.", {JSON_TYPE: Content(ValueSchema("object"))}),
        },
        components=Components(schemas),
    )


def _describe_integers(properties: Mapping[str, JsonValue], features: Sequence[Feature]) -> None:
    """Whole numbers, which are decoded as floats, are integers to whoever reads the document."""
    for feature in features:
        if feature.kind == "numeric" and feature.integer:
            described = properties[feature.name]
            number = described["anyOf"][0] if feature.nullable else described
            low, high = feature.bounds
            number.update(type="integer", minimum=math.ceil(low), maximum=math.floor(high))


def _post(
    summary: str, body: str, example: Example, answer: str, parameters: Sequence[Parameter] = ()
) -> dict[str, Operation]:
    operation = Operation(
        summary=summary,
        operation_id=answer.removesuffix("Answer").lower(),
        parameters=parameters,
        request_body=RequestBody(required=True, content=_json(body, example)),
        responses=_responses(_json(answer), {**ALWAYS, **WITH_BODY}),
    )
    return {"post": operation}


def _get(summary: str, content: Mapping[str, Content]) -> dict[str, Operation]:
    return {"get": Operation(summary=summary, responses=_responses(content, ALWAYS))}


def _responses(content: Mapping[str, Content], errors: Mapping[int, str]) -> dict[str, Response]:
    refused = {str(status): Response(text, HEADERS, _json("ErrorAnswer")) for status, text in sorted(errors.items())}
    return {"200": Response("Answered.", HEADERS, content), **refused}


def _json(name: str, example: Example | None = None) -> dict[str, Content]:
    return {JSON_TYPE: Content(Reference(REFERENCE.format(name=name)), example)}


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
