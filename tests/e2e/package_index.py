"""A package index that takes trusted publishing, at https://localhost: GitHub's token, its own, uploads, the simple page."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import certifi
from fake_github.certificate import certify

JOBS_TOKEN, IDENTITY, UPLOAD_TOKEN = "of-the-job", "who-the-job-is", "pypi-for-fifteen-minutes"


@dataclass
class PackageIndex:
    """`files` are those that were uploaded, by name; `refused` are requests with a token that is not the one to give.

    `trusted` is a file of certificates with its own among them.
    """

    url: str
    trusted: Path
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What GitHub gives a job with `id-token: write`, and where uv then publishes."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/identity?version=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": JOBS_TOKEN,
            "UV_PUBLISH_URL": f"{self.url}/legacy/",
            "SSL_CERT_FILE": str(self.trusted),
        }


@contextmanager
def package_index(folder: Path) -> Iterator[PackageIndex]:
    """It listens until the block ends; its certificate is made in `folder`."""
    context, certificate = certify(folder)
    certificate.write_text(certificate.read_text() + Path(certifi.where()).read_text())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/identity" and query.get("audience") == ["pypi"]:
                self.answer({"value": IDENTITY} if self.has(f"bearer {JOBS_TOKEN}") else None)
            elif path == "/_/oidc/audience":
                self.answer({"audience": "pypi"})
            elif path == "/simple/lockgate/":
                files = [{"filename": name, "url": f"{index.url}/files/{name}", "hashes": {"sha256": sha256(content).hexdigest()}}
                         for name, content in index.files.items()]  # fmt: skip
                self.answer({"meta": {"api-version": "1.0"}, "name": "lockgate", "files": files})
            else:
                self.answer(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/_/oidc/mint-token":
                self.answer({"success": True, "token": UPLOAD_TOKEN} if json.loads(body)["token"] == IDENTITY else None)
                return
            if self.path == "/_/oidc/burn-token":
                self.answer({"success": True})
                return
            if not self.has_upload_token():
                self.answer(None)
                return
            header = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            for part in message_from_bytes(header + body).get_payload():
                name = re.search(r'filename="([^"]+)"', str(part["Content-Disposition"]))
                if name:
                    index.files[name[1]] = part.get_payload(decode=True)
                    index.uploads += 1
            self.answer({})

        def has(self, authorization: str) -> bool:
            return self.headers.get("Authorization", "").lower() == authorization.lower()

        def has_upload_token(self) -> bool:
            return self.has(f"Basic {b64encode(f'__token__:{UPLOAD_TOKEN}'.encode()).decode()}")

        def answer(self, found: object) -> None:
            if found is None:
                index.refused.append(f"{self.command} {self.path}")
            content = json.dumps(found).encode()
            self.send_response(403 if found is None else 200)
            kind = "application/vnd.pypi.simple.v1+json" if "/simple/" in self.path else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    index = PackageIndex(f"https://localhost:{server.server_address[1]}", certificate)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
