"""/docs: the OpenAPI document as a page that needs no script and no other server.

FastAPI's own page runs a script from a public network on whatever internal host the service has.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape as escape_html
from string import Template

from lockgate.config.visible_text import visible_text
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.openapi_document import JSON_TYPE, OpenApiDocument, Operation

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title $version</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto } table { border-collapse: collapse }
td, th { text-align: left; padding: .2rem .75rem .2rem 0; vertical-align: top; border-bottom: 1px solid #ddd }
h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem } code { font-size: .9em }
</style></head><body>
<h1>$title $version</h1><p>$description The whole document: <a href="openapi.json">openapi.json</a>.</p>
$paths
<h2>Applicant</h2><p>One JSON object with every key, once, and no other.$identifiers</p>
<table><tr><th>key</th><th>type</th><th>takes</th></tr>$features</table>
</body></html>
""")
PATH = Template("""<h2><code>$method $path</code></h2><p>$summary</p>
<pre>$curl</pre>
<table><tr><th>status</th><th>means</th></tr>$statuses</table>
""")


def make_page(document: OpenApiDocument, schema: Schema, base: str) -> bytes:
    """The page of a service whose requests are of `schema`, reached at `base`, such as http://127.0.0.1:8000."""
    paths = [
        _path(path, method, operation, base)
        for path, operations in document.paths.items()
        for method, operation in operations.items()
    ]
    return PAGE.substitute(
        title=escape(document.info.title),
        version=escape(document.info.version),
        description=escape(document.info.description),
        paths="".join(paths),
        identifiers=_identifiers(schema.request_identifiers),
        features="".join(map(_feature, schema.features)),
    ).encode()


def escape(text: str) -> str:
    """As HTML, with nothing in it that is not seen."""
    return escape_html(visible_text(text))


def _path(path: str, method: str, operation: Operation, base: str) -> str:
    curl = f"curl {shlex.quote(base + path)}"
    if operation.request_body is not None:
        body = json.dumps(operation.request_body.content[JSON_TYPE].example)
        quoted = body.replace("'", "'\\''")
        curl += f" -H 'content-type: application/json' -d '{quoted}'"
    statuses = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(one.description)}</td></tr>"
        for status, one in operation.responses.items()
    )
    return PATH.substitute(
        method=escape(method.upper()),
        path=escape(path),
        summary=escape(operation.summary),
        curl=escape(curl),
        statuses=statuses,
    )


def _identifiers(names: Sequence[str]) -> str:
    shown = ", ".join(f"<code>{escape(name)}</code>" for name in names)
    return f" It may also have the identifiers {shown}: they are logged and never scored." if names else ""


def _feature(feature: Feature) -> str:
    if feature.kind == "categorical":
        kind, takes = "string", ", ".join(feature.categories)
    else:
        low, high = feature.bounds
        kind, takes = "integer" if feature.integer else "number", f"{low:g} to {high:g}"
    kind += " or null" if feature.nullable else ""
    return f"<tr><td><code>{escape(feature.name)}</code></td><td>{kind}</td><td>{escape(takes)}</td></tr>"
