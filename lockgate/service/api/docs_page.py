"""/docs: the OpenAPI document as a page that needs no script and no other server.

FastAPI's own page runs a script from a public network on whatever internal host the service has; and what stands in a model's
schema could be anybody's text, which a page without scripts cannot run.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from html import escape as escape_html
from string import Template

from starlette.requests import Request

from lockgate.config.visible_text import visible_text
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.openapi import JSON_TYPE, OpenApi

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


# Nothing on the page is from elsewhere, and nothing of it runs.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
    "cache-control": "no-store",  # the addresses on it are those that this reader came by
}
SAFE_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
SAFE_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def base_url(request: Request) -> str:
    """Where the reader reaches the service, such as https://credit.example/scores: by the proxy's headers, else the request's own.

    The answer shows it to whoever sent those headers, and to nobody else.
    """
    headers = request.headers
    scheme = headers.get("x-forwarded-proto", "")
    host = headers.get("x-forwarded-host", "")
    prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    own = request.base_url
    scheme = scheme if scheme in ("http", "https") else own.scheme
    host = host if SAFE_HOST.fullmatch(host) else own.netloc
    return f"{scheme}://{host}" + (prefix if SAFE_PREFIX.fullmatch(prefix) else own.path.rstrip("/"))


def make_page(document: OpenApi, schema: Schema, base: str) -> bytes:
    """The page of a service whose requests are of `schema`, reached at `base`, such as http://127.0.0.1:8000."""
    paths = [
        _path(path, method, operation, base)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    info = document["info"]
    return PAGE.substitute(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=escape(info["description"]),
        paths="".join(paths),
        identifiers=_identifiers(schema.request_identifiers),
        features="".join(map(_feature, schema.features)),
    ).encode()


def escape(text: str) -> str:
    """As HTML, with nothing in it that is not seen."""
    return escape_html(visible_text(text))


def _path(path: str, method: str, operation: OpenApi, base: str) -> str:
    curl = f"curl {shlex.quote(base + path)}"
    if "security" in operation:
        curl += " -H 'authorization: Bearer TOKEN'"
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"][JSON_TYPE]["example"])
        quoted = body.replace("'", "'\\''")
        curl += f" -H 'content-type: application/json' -d '{quoted}'"
    statuses = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(one['description'])}</td></tr>"
        for status, one in operation["responses"].items()
    )
    return PATH.substitute(
        method=escape(method.upper()),
        path=escape(path),
        summary=escape(operation["description"]),
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
