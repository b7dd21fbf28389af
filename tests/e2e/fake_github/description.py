"""GitHub's published OpenAPI description: which operation a request is, and whether it and its answer fit it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

FILE = Path(__file__).parent / "node_modules/@octokit/openapi/generated/api.github.com.json"
_JSON = "application/json"
# Their text says "you can also pass an array of labels directly", and PyGithub does; their schema forgets it.
_BARE_LABELS = {"issues/add-labels", "issues/set-labels"}


@dataclass(frozen=True)
class Operation:
    """One operation of the description; `id` is GitHub's own name, such as `issues/create-comment`."""

    id: str
    method: str
    template: tuple[str, ...]
    node: Mapping[str, Any]
    description: Description

    @cached_property
    def parameters(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """(path | query | header, name) to the parameter."""
        found = [self.description.resolve(item) for item in self.node.get("parameters", [])]
        return {(item["in"], item["name"]): item for item in found}

    def problems(self, path: Mapping[str, str], query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What does not fit; `body` is the parsed JSON, or None where there is none."""
        for place, given in (("path", path), ("query", query)):
            for name, value in given.items():
                parameter = self.parameters.get((place, name))
                if parameter is None:
                    yield f"{place} parameter {name} is not described"
                    continue
                where = f"{place} parameter {name}"
                problems = list(self.description.errors(parameter["schema"], value, where))
                if problems and list(self.description.errors(parameter["schema"], _typed(value), where)):
                    yield from problems
        for (place, name), parameter in self.parameters.items():
            if place == "query" and parameter.get("required") and name not in query:
                yield f"query parameter {name} is missing"
        yield from self._body_problems(body)

    def _body_problems(self, body: Any) -> Iterator[str]:
        if self.id in _BARE_LABELS and isinstance(body, list):
            body = {"labels": body}
        request = self.description.resolve(self.node.get("requestBody", {}))
        if body is None:
            if request.get("required"):
                yield "the body is missing"
            return
        content = request.get("content", {})
        if _JSON not in content:
            if not content:
                yield "a body where none is described"
            return
        schema = self.description.resolve(content[_JSON]["schema"])
        yield from self.description.errors(schema, body, "body")
        if isinstance(body, dict) and schema.get("properties") and not schema.get("additionalProperties"):
            known = set(schema["properties"])
            for name in sorted(set(body) - known):
                yield f"body: {name} is not described"

    def answer_problems(self, status: int, body: Any) -> Iterator[str]:
        """What in the fake's own answer GitHub would not say."""
        answer = self.node["responses"].get(str(status))
        if answer is None:
            if status < 300:
                yield f"status {status} is not described"
            return
        content = self.description.resolve(answer).get("content", {})
        if _JSON in content and "schema" in content[_JSON]:
            yield from self.description.errors(content[_JSON]["schema"], body, f"answer {status}")


class Description:
    """The description, read once."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._validators: dict[int, jsonschema_rs.Validator] = {}
        self._operations: dict[tuple[str, int], list[Operation]] = {}
        self._greedy: list[Operation] = []
        for template, methods in document["paths"].items():
            segments = tuple(template.strip("/").split("/"))
            for method, node in methods.items():
                if method not in {"get", "post", "put", "patch", "delete"}:
                    continue
                operation = Operation(node["operationId"], method.upper(), segments, node, self)
                self._operations.setdefault((operation.method, len(segments)), []).append(operation)
                if any(item.get("x-multi-segment") for item in operation.parameters.values()):
                    self._greedy.append(operation)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation and the path's parameters; literal segments go before placeholders, as GitHub routes."""
        segments = path.strip("/").split("/")
        found = []
        for operation in self._operations.get((method, len(segments)), []):
            values = _bind(operation.template, segments)
            if values is not None:
                found.append((len(values), operation, values))
        if found:
            _, operation, values = min(found, key=lambda item: item[0])
            return operation, values
        for operation in self._greedy:
            last = len(operation.template) - 1
            if operation.method == method and len(segments) > last and operation.template[last].startswith("{"):
                values = _bind(operation.template, [*segments[:last], "/".join(segments[last:])])
                if values is not None:
                    return operation, values
        return None

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `$ref` stands for."""
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def example(self, name: str) -> Any:
        """A copy of one of the description's own examples, such as `issue-comment`: what real answers look like."""
        return copy.deepcopy(self._document["components"]["examples"][name]["value"])

    def errors(self, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        """Where `value` does not fit, the first three."""
        key = id(schema)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft7Validator(self._standalone(schema))
        for count, error in enumerate(self._validators[key].iter_errors(value)):
            if count == 3:
                return
            place = ".".join(str(part) for part in error.instance_path)
            yield f"{where}{'.' + place if place else ''}: {error.message[:300]}"

    def _standalone(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema as JSON Schema, with the components that it needs."""
        needed: dict[str, Any] = {}
        converted = self._convert(schema, needed)
        return {**converted, "components": {"schemas": needed}} if isinstance(converted, dict) else {}

    def _convert(self, node: Any, needed: dict[str, Any]) -> Any:
        """OpenAPI 3.0 has its own spelling of null, and formats that are not for checking."""
        if isinstance(node, list):
            return [self._convert(item, needed) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            if name not in needed:
                needed[name] = None
                needed[name] = self._convert(self.resolve(node), needed)
            return {"$ref": node["$ref"]}
        result = {
            key: self._convert(value, needed)
            for key, value in node.items()
            if key not in {"nullable", "example", "examples", "description", "default", "format", "discriminator"}
        }
        return {"anyOf": [result, {"type": "null"}]} if node.get("nullable") is True else result


@cache
def description() -> Description:
    """The description on disk. `scripts/github-description` installs it."""
    if not FILE.is_file():
        raise FileNotFoundError(f"{FILE} does not exist; run scripts/github-description")
    return Description(json.loads(FILE.read_bytes()))


def _bind(template: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    values = {}
    for pattern, segment in zip(template, segments, strict=True):
        if pattern.startswith("{") and pattern.endswith("}"):
            values[pattern[1:-1]] = unquote(segment)
        elif pattern != segment:
            return None
    return values


def _typed(value: str) -> Any:
    """A parameter as JSON would have it: addresses know only text."""
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else value
