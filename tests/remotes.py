"""Stand-ins for DVC's remotes: a folder, an HTTP server with good and bad days, and S3 by moto."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Literal, Protocol

import boto3
from moto.server import ThreadedMotoServer

# partial: the connection ends before the whole file is sent. silent: connected, and never a byte.
HttpMood = Literal["good", "absent", "forbidden", "broken", "html", "partial", "silent"]
BUCKET = "bucket"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
LOGIN_PAGE = b"<!doctype html><title>Sign in</title>\n"


class Remote(Protocol):
    """Where DVC's objects are kept away from the project."""

    config: str  # what stands in .dvc/config

    def read(self) -> dict[str, bytes]:
        """Every object by its path."""

    def write(self, path: str, content: bytes) -> None:
        """Put other bytes in an object's place."""


@dataclass
class Folder:
    """A folder of this machine, or of a disk that it mounts."""

    path: Path

    @property
    def config(self) -> str:
        return f"url = {self.path}"

    def read(self) -> dict[str, bytes]:
        return {str(file.relative_to(self.path)): file.read_bytes() for file in self.path.rglob("*") if file.is_file()}

    def write(self, path: str, content: bytes) -> None:
        file = self.path / path
        mode = file.stat().st_mode  # DVC looks into an object of a folder only where it may be written to
        file.chmod(0o644)
        file.write_bytes(content)
        file.chmod(mode)


@dataclass
class Http:
    """A web server that takes and gives files, in the mood that a test sets, with an etag of each where it `has_etags`."""

    port: int
    mood: HttpMood = "good"
    has_etags: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    closing: Event = field(default_factory=Event)

    @property
    def config(self) -> str:
        return f"url = http://127.0.0.1:{self.port}/store"

    def read(self) -> dict[str, bytes]:
        return dict(self.objects)

    def write(self, path: str, content: bytes) -> None:
        self.objects[path] = content


@dataclass
class S3:
    """A bucket that moto keeps in memory."""

    endpoint: str

    @property
    def config(self) -> str:
        return f"url = s3://{BUCKET}/store\n    endpointurl = {self.endpoint}"

    @property
    def client(self):
        access = {name.lower(): value for name, value in CREDENTIALS.items() if name.endswith(("_ID", "_KEY"))}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **access)

    def read(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {one["Key"]: self.client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}

    def write(self, path: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=path, Body=content)


@contextmanager
def http_remote() -> Iterator[Http]:
    """An HTTP server that is there inside."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(has_body=False)

        def do_GET(self) -> None:
            self.answer(has_body=True)

        def do_POST(self) -> None:
            chunks = b""
            if "Content-Length" in self.headers:
                chunks = self.rfile.read(int(self.headers["Content-Length"]))
            else:
                while size := int(self.rfile.readline(), 16):
                    chunks += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            remote.objects[self.path.lstrip("/")] = chunks
            self.send(200, b"", has_body=True)

        def answer(self, *, has_body: bool) -> None:
            content = remote.objects.get(self.path.lstrip("/"))
            match remote.mood:
                case "silent":
                    remote.closing.wait()
                case "forbidden":
                    self.send(403, b"", has_body=has_body)
                case "broken":
                    self.send(500, b"", has_body=has_body)
                case "html":
                    self.send(200, LOGIN_PAGE, has_body=has_body)
                case "good" | "partial" if content is not None:
                    self.send(200, content, has_body=has_body, cut=remote.mood == "partial")
                case _:
                    self.send(404, b"", has_body=has_body)

        def send(self, code: int, content: bytes, *, has_body: bool, cut: bool = False) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            if remote.has_etags:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.end_headers()
            if has_body:
                self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    remote = Http(server.server_address[1])
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield remote
    finally:
        remote.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def s3_remote() -> Iterator[S3]:
    """An S3 with an empty bucket that is there inside."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    remote = S3(f"http://{host}:{port}")
    remote.client.create_bucket(Bucket=BUCKET)
    try:
        yield remote
    finally:
        for key in remote.read():
            remote.client.delete_object(Bucket=BUCKET, Key=key)
        server.stop()
