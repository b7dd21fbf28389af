"""deploy/proxies/nginx-mtls.conf, run: only a client with a certificate that is its own and allowed reaches the service."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_matrix.proxies import NGINX, PATH
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hardening._service import free_port
from serving import Server, applicants
from support import require

from lockgate.service.bundle import read_bundle

CONFIGURATION = Path(__file__).parents[2] / "deploy/proxies/nginx-mtls.conf"
TOKEN = "0123456789abcdef-of-the-proxy"  # noqa: S105  # of this test's own service
Signer = tuple[x509.Name, ec.EllipticCurvePrivateKey]


def certificate(folder: Path, name: str, subject: x509.Name, signer: Signer | None = None) -> Signer:
    """NAME.pem and NAME.key for `subject`, which `signer` has signed, or itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, signing = signer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("credit.example")]), critical=False)
        .sign(signing, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(private)
    return subject, key


def named(common_name: str, organization: str = "Example Bank") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


class Clients:
    """Asks the proxy with one of the certificates in `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def ask(
        self, client: str | None, path: str, body: bytes | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Status and body; status 0 where TLS ends without an answer."""
        context = ssl.create_default_context(cafile=str(self.folder / "server-ca.pem"))
        context.check_hostname = False  # it is reached by its address here
        if client is not None:
            context.load_cert_chain(self.folder / f"{client}.pem", self.folder / f"{client}.key")
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        asked = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(asked, context=context, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (ssl.SSLError, urllib.error.URLError, ConnectionError):
            return 0, b""


@pytest.fixture(scope="module")
def proxied(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """nginx with the shipped configuration, in front of a service that asks for the proxy's token."""
    require("nginx")
    folder = tmp_path_factory.mktemp("mtls")
    folder.chmod(0o755)  # nginx's worker is another user
    ca, others = (certificate(folder, name, named(name)) for name in ("clients-ca", "others-ca"))
    server_ca = certificate(folder, "server-ca", named("server-ca"))
    certificate(folder, "server", named("credit.example"), server_ca)
    certificate(folder, "allowed", named("lender-backend"), ca)
    certificate(folder, "unknown", named("somebody-else"), ca)
    certificate(folder, "forged", named("lender-backend"), others)
    certificate(folder, "foreign", named("lender-backend", "Another Bank"), ca)
    (folder / "token.conf").write_text(f'proxy_set_header Authorization "Bearer {TOKEN}";\n')
    (folder / "tokens").write_text(TOKEN)
    server = Server(trained_project, ("--token-file", str(folder / "tokens")), folder / "service.log")
    port = free_port()
    configuration, text = folder / "lockgate.conf", CONFIGURATION.read_text()
    changes = {r"\b8443\b": port, r"\b8001\b": server.address[1], "/etc/nginx/lockgate": folder}
    for old, new in changes.items():
        text, count = re.subn(old, str(new), text)
        assert count, old
    configuration.write_text(text)
    main = folder / "nginx.conf"
    main.write_text(NGINX.format(folder=folder, configuration=configuration))
    program = shutil.which("nginx", path=PATH)
    assert program
    proxy = subprocess.Popen([program, "-e", f"{folder}/log", "-c", str(main)])
    clients = Clients(folder, port)
    try:
        deadline = time.monotonic() + 20
        while clients.ask("allowed", "/ready")[0] != 200:
            assert proxy.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield clients
    finally:
        proxy.terminate()
        proxy.wait(10)
        server.kill()


def test_a_client_with_an_allowed_certificate_is_answered(proxied: Clients, trained_project: Path) -> None:
    schema = read_bundle(trained_project / "models").schema
    row = json.dumps(applicants(trained_project / "data/current.parquet", schema)[0]).encode()
    status, body = proxied.ask("allowed", "/predict", row)
    assert (status, set(json.loads(body))) == (200, {"probability", "decision", "model", "request_id"})
    # The proxy's own token goes to the service, whatever the client sends as one.
    assert proxied.ask("allowed", "/predict", row, token="x" * 20)[0] == 200


@pytest.mark.parametrize(("client", "status"), [(None, 400), ("forged", 400), ("unknown", 403), ("foreign", 403)])
def test_nobody_else_is(proxied: Clients, client: str | None, status: int) -> None:
    seen, body = proxied.ask(client, "/drift")
    assert (seen, b'"live"' in body) == (status, False)


def test_the_metrics_are_not_there(proxied: Clients) -> None:
    assert proxied.ask("allowed", "/metrics")[0] == 404
