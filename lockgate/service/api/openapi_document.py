"""The OpenAPI document: made from the types that requests are decoded into, so that it cannot say anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from lockgate.config.version import __version__
from lockgate.documents.profile_json import FeatureProfile, Profile
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.errors import ErrorAnswer
from lockgate.service.api.request_types import RequestTypes, bounds
from lockgate.service.api.response_types import (
    BatchAnswer,
    DriftAnswer,
    ExplainAnswer,
    HealthAnswer,
    PredictAnswer,
    ReadyAnswer,
)
from lockgate.service.scoring.explainer import DEFAULT_REASONS

# A part of an OpenAPI document, whose form the standard and the tests fix, not a type of ours.
Described: TypeAlias = dict[str, Any]

TITLE = "Lockgate"
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
HEADERS = {
    "x-request-id": {"description": "The request's own id, or a new one.", "schema": {"type": "string"}},
    "x-model-digest": {"description": "The model that is served.", "schema": {"type": "string"}},
}


def make_document(
    types: RequestTypes, schema: Schema, example: Mapping[str, float | str], digest: str, *, explains: bool
) -> Described:
    """The document of a service whose requests are of `types`, made from `schema`; it accepts `example`.

    `explains`: whether it has the path /explain.
    """
    components = _components(types, schema, [one for one in ANSWERS if explains or one is not ExplainAnswer])
    for described in components["Applicant"]["properties"].values():
        _say_integer(described)
    most = len(components["Applicant"]["properties"])
    reasons = {
        "name": "reasons",
        "in": "query",
        "description": "How many reasons at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": min(DEFAULT_REASONS, most)},
    }
    explain = _post(
        "The probability, and what pushed it towards the unfavourable decision.",
        "Applicant",
        example,
        "ExplainAnswer",
        [reasons],
    )
    text = {"text/plain": {"schema": {"type": "string"}}}
    page = {"text/html": {"schema": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": __version__,
            "description": f"Serves the model `{digest}`. Every answer carries that digest and a request id.",
        },
        "paths": {
            "/predict": _post("One applicant's probability and decision.", "Applicant", example, "PredictAnswer"),
            "/predict/batch": _post(
                "Up to 1,000 applicants: all are answered, or none.", "Batch", {"rows": [example]}, "BatchAnswer"
            ),
            **({"/explain": explain} if explains else {}),
            "/drift": _get("The last nightly drift run, and PSI since the start.", _json("DriftAnswer")),
            "/metrics": _get("Metrics for Prometheus.", text),
            "/health": _get("Alive, and what is served.", _json("HealthAnswer")),
            "/ready": _get("Whether requests should be sent here.", _json("ReadyAnswer")),
            "/docs": _get("This document for people.", page),
            "/openapi.json": _get("This document.", {"application/json": {"schema": {"type": "object"}}}),
        },
        "components": {"schemas": components},
    }


def _components(types: RequestTypes, schema: Schema, answers: Sequence[type[msgspec.Struct]]) -> Described:
    """The types as JSON Schema; whole numbers, which are decoded as floats, are integers there."""
    _, components = msgspec.json.schema_components([types.applicant, types.batch, *answers], ref_template=REFERENCE)
    properties = components["Applicant"]["properties"]
    for feature in schema.features:
        if feature.kind == "numeric" and feature.integer:
            number = next(one for one in _alternatives(properties[feature.name]) if one["type"] == "number")
            low, high = bounds(feature)
            number.update(type="integer", minimum=math.ceil(low), maximum=math.floor(high))
    return dict(components)


def _alternatives(described: Described) -> list[Described]:
    found: list[Described] = described.get("anyOf", [described])
    return found


def _say_integer(described: Described) -> None:
    """Whole numbers, decoded as floats, are integers to whoever reads the document; 3.0 is one in JSON Schema too."""
    for one in described.get("anyOf", [described]):
        if one.pop("multipleOf", None) == 1:
            one.update(type="integer", minimum=int(one["minimum"]), maximum=int(one["maximum"]))


def _post(summary: str, body: str, example: Any, answer: str, parameters: list[Described] | None = None) -> Described:
    content = {"application/json": {"schema": _reference(body), "example": example}}
    return {
        "post": {
            "summary": summary,
            "operationId": answer.removesuffix("Answer").lower(),
            **({"parameters": parameters} if parameters else {}),
            "requestBody": {"required": True, "content": content},
            "responses": _responses(_json(answer), {**ALWAYS, **WITH_BODY}),
        }
    }


def _get(summary: str, content: Described) -> Described:
    return {"get": {"summary": summary, "responses": _responses(content, ALWAYS)}}


def _responses(content: Described, errors: Mapping[int, str]) -> Described:
    refused = {
        str(status): {"description": text, "headers": HEADERS, "content": _json("ErrorAnswer")}
        for status, text in sorted(errors.items())
    }
    return {"200": {"description": "Answered.", "headers": HEADERS, "content": content}, **refused}


def _json(name: str) -> Described:
    return {"application/json": {"schema": _reference(name)}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=name)}


def example_applicant(schema: Schema, profile: Profile) -> dict[str, float | str]:
    """Every feature with the middle edge of its bins, or its most frequent category."""
    return {
        feature.name: _ordinary(feature, bins) for feature, bins in zip(schema.features, profile.features, strict=False)
    }


def _ordinary(feature: Feature, bins: FeatureProfile) -> float | str:
    if feature.kind == "categorical":
        rows = bins.counts[:-1]  # without missing
        return feature.categories[rows.index(max(rows))]
    low, high = bounds(feature)
    middle = bins.edges[len(bins.edges) // 2] if bins.edges else 0.0
    value = min(max(middle, low), high)
    return int(value) if feature.integer else value
