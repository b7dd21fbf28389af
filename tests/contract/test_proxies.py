"""deploy/proxies: each keeps idle connections for less time than the service does, and Envoy's is one that Envoy can read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router  # noqa: F401  # a type that a configuration names
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401
    http_connection_manager_pb2 as _manager,
)
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.json_format import ParseDict, ParseError
from ruamel.yaml import YAML

from lockgate.service.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/proxies"
yaml = YAML(typ="safe")
# How each file states for how many seconds a connection to the service may be idle.
IDLE = {
    "Caddyfile": r"\bkeepalive (\d+)s",
    "apache.conf": r"\bttl=(\d+)\b",
    "envoy-mtls.yaml": r"common_http_protocol_options: \{idle_timeout: (\d+)s\}",
    "haproxy.cfg": r"\bpool-purge-delay (\d+)s",
    "nginx-mtls.conf": r"\bkeepalive_timeout (\d+)s",
    "nginx.conf": r"\bkeepalive_timeout (\d+)s",
    "traefik.yaml": r"\bidleConnTimeout: (\d+)s",
}


def test_every_file_is_explained() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {*IDLE, "varnish.vcl"}  # whose time is on its command line
    linked = re.findall(r"\(\.\./deploy/proxies/([\w.-]+)\)", (ROOT / "docs/proxies.md").read_text())
    assert set(linked) == names


@pytest.mark.parametrize("name", IDLE)
def test_the_service_keeps_an_idle_connection_for_longer_than_the_proxy(name: str) -> None:
    found = [float(one) for one in re.findall(IDLE[name], (FOLDER / name).read_text())]
    assert found
    assert max(found) + 10.0 < Settings().keep_alive_seconds


def envoy() -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.load(FOLDER / "envoy-mtls.yaml")
    return configuration


def test_envoy_knows_every_key_of_its_configuration() -> None:
    configuration = ParseDict(envoy(), Bootstrap())
    (listener,) = configuration.static_resources.listeners
    tls = DownstreamTlsContext()
    assert listener.filter_chains[0].transport_socket.typed_config.Unpack(tls)
    assert tls.require_client_certificate.value
    assert tls.common_tls_context.validation_context.trusted_ca.filename
    (allowed,) = tls.common_tls_context.validation_context.match_typed_subject_alt_names
    assert allowed.matcher.exact
    (cluster,) = configuration.static_resources.clusters
    options = HttpProtocolOptions()
    (packed,) = cluster.typed_extension_protocol_options.values()
    assert packed.Unpack(options)
    assert options.common_http_protocol_options.idle_timeout.seconds == 30


def test_a_key_that_envoy_does_not_know_is_found() -> None:
    configuration = envoy()
    configuration["static_resources"]["clusters"][0]["idle_timeout"] = "30s"
    with pytest.raises(ParseError, match="idle_timeout"):
        ParseDict(configuration, Bootstrap())
