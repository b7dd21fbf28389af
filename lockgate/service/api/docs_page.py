"""/docs: the OpenAPI document as a page that needs no script and no other server.

FastAPI's own page runs a script from a public network on whatever internal host the service has.
"""

from __future__ import annotations

import json
import shlex
from html import escape
from string import Template

from lockgate.service.api.openapi import Described

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
<h2>Applicant</h2><p>One JSON object with every key, once, and no other.</p>
<table><tr><th>key</th><th>type</th><th>takes</th></tr>$features</table>
</body></html>
""")
PATH = Template("""<h2><code>$method $path</code></h2><p>$summary</p>
<pre>$curl</pre>
<table><tr><th>status</th><th>means</th></tr>$statuses</table>
""")


def make_page(document: Described, base: str) -> bytes:
    """The page of `document` for a service that is reached at `base`, such as http://127.0.0.1:8000."""
    paths = [
        _path(path, method, operation, base)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    features = [
        _feature(name, one) for name, one in document["components"]["schemas"]["Applicant"]["properties"].items()
    ]
    info = document["info"]
    return PAGE.substitute(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=escape(info["description"]),
        paths="".join(paths),
        features="".join(features),
    ).encode()


def _path(path: str, method: str, operation: Described, base: str) -> str:
    curl = f"curl {shlex.quote(base + path)}"
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
        quoted = body.replace("'", "'\\''")
        curl += f" -H 'content-type: application/json' -d '{quoted}'"
    statuses = "".join(
        f"<tr><td>{status}</td><td>{escape(one['description'])}</td></tr>"
        for status, one in operation["responses"].items()
    )
    return PATH.substitute(
        method=method.upper(), path=path, summary=escape(operation["summary"]), curl=escape(curl), statuses=statuses
    )


def _feature(name: str, schema: Described) -> str:
    kinds = schema.get("anyOf", [schema])
    value = kinds[0]
    takes = ", ".join(map(str, value["enum"])) if "enum" in value else f"{value['minimum']:g} to {value['maximum']:g}"
    types = " or ".join(one["type"] for one in kinds)
    return f"<tr><td><code>{escape(name)}</code></td><td>{types}</td><td>{escape(takes)}</td></tr>"
