"""The machine's pip configuration as secrets of the build: a private package index reaches it, and no layer keeps it."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

PASSED_ON = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
CERTIFICATES = "/etc/pip-ca.pem"


def secret_options(folder: Path) -> list[str]:
    """Options of `docker build` that hand the configuration over; the files are written into `folder`.

    An index that is a folder of this machine is left out: a build cannot see it.
    """
    settings = _settings()
    options = []
    section = {}
    for name in PASSED_ON:
        values = [part for part in settings.get(name, "").split() if not part.startswith("file:")]
        if values:
            section[name] = "\n".join(values)
    if "cert" in settings and Path(settings["cert"]).is_file():
        options += ["--secret", f"id=ca,src={settings['cert']}"]
        section["cert"] = CERTIFICATES
    if section:
        config = configparser.RawConfigParser()
        config["global"] = section
        path = folder / "pip.conf"
        path.touch(mode=0o600)
        with path.open("w") as stream:
            config.write(stream)
        options += ["--secret", f"id=pip,src={path}"]
    return options


def _settings() -> dict[str, str]:
    """The settings that `pip config list` prints, variables over `install` over `global`; empty where there is no pip."""
    found: dict[str, dict[str, str]] = {":env:": {}, "install": {}, "global": {}}
    for line in _listed().splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return found["global"] | found["install"] | found[":env:"]


def _listed() -> str:
    # An environment made by uv has no pip; the Python that made it may.
    for python in (sys.executable, f"{sys.base_prefix}/bin/python3"):
        done = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
    return ""
