"""deploy/proxies: idle connections end there before the service ends them, and clients' certificates are checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
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


def test_envoy_and_nginx_ask_for_the_certificate_of_a_client_that_may_ask() -> None:
    """That nginx does is tried in tests/integration; that Envoy's keys are Envoy's was found by its types, once."""
    configuration = yaml.load(FOLDER / "envoy-mtls.yaml")["static_resources"]
    (chain,) = configuration["listeners"][0]["filter_chains"]
    tls = chain["transport_socket"]["typed_config"]
    assert tls["require_client_certificate"] is True
    validation = tls["common_tls_context"]["validation_context"]
    assert set(validation) == {"trusted_ca", "match_typed_subject_alt_names"}
    (manager,) = chain["filters"]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    (route,) = [one["route"] for one in host["routes"] if "route" in one]
    assert route["retry_policy"]["retry_on"] == "connect-failure"  # what was sent is logged by the service
    assert [cluster["name"] for cluster in configuration["clusters"]] == [route["cluster"]]
