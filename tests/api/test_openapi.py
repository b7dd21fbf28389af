"""The document: true to what the service takes and gives, with an example that works when pasted."""

from __future__ import annotations

import html
import json
import re
import shlex
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator
from serving import Client

from lockgate.service.bundle import VerifiedBundle


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    """/openapi.json."""
    value: dict[str, Any] = client.ask("/openapi.json").json
    return value


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(schema)


def test_the_examples_are_accepted_and_answers_are_as_described(client: Client, document: dict[str, Any]) -> None:
    for path in ("/predict", "/predict/batch", "/explain"):
        operation = document["paths"][path]["post"]
        answer = client.ask(path, operation["requestBody"]["content"]["application/json"]["example"])
        assert answer.status == 200, answer.body
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        validator(document, name).validate(answer.json)
    for path, name in (("/health", "HealthAnswer"), ("/drift", "DriftAnswer")):
        validator(document, name).validate(client.ask(path).json)
    validator(document, "ErrorAnswer").validate(client.ask("/predict", b"{}").json)


def test_requests_are_described_from_the_schema_of_the_bundle(
    document: dict[str, Any], bundle: VerifiedBundle, rows: Any
) -> None:
    described = document["components"]["schemas"]["Applicant"]
    names = bundle.schema.feature_names
    assert (list(described["properties"]), described["required"]) == (names, names)
    assert described["additionalProperties"] is False
    check = validator(document, "Applicant")
    for row in rows[:50]:
        check.validate(row)
    for name, value in (("income", "1"), ("dependants", 1.5), ("housing", "palace"), ("dependants", None)):
        with pytest.raises(jsonschema.ValidationError):
            check.validate({**rows[0], name: value})


def test_the_page_has_commands_that_work_and_loads_nothing(client: Client) -> None:
    answer = client.ask("/docs")
    page = answer.body.decode()
    assert "<script" not in page
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r'(src|href)="https?:', page)
    commands = [shlex.split(html.unescape(one)) for one in re.findall(r"<pre>(.*?)</pre>", page)]
    post = next(one for one in commands if one[1].endswith("/predict"))
    assert post[:1] + post[2:3] == ["curl", "-H"]
    assert client.ask("/predict", json.loads(post[-1])).status == 200
