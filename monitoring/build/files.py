"""The generated files of `monitoring/`."""

from __future__ import annotations

import io
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from ruamel.yaml import YAML

from monitoring.build.dashboard import make_dashboard
from monitoring.build.psi_cases import rule_tests

MONITORING = Path(__file__).parents[1]
NOTICE = "# Made by scripts/monitoring from monitoring/build/psi_cases.py; the expectations are numpy's.\n"


def made_files() -> dict[Path, str]:
    """The content of each made file, the same every time."""
    dashboard = JSONEncoder(sort_keys=True, indent=2).encode(make_dashboard().build())
    return {
        MONITORING / "grafana" / "dashboards" / "lockgate.json": dashboard + "\n",
        MONITORING / "prometheus" / "tests" / "psi.yml": NOTICE + _yaml(rule_tests()),
    }


def _yaml(document: object) -> str:
    yaml = YAML()
    yaml.width = 10_000  # an expression stays on its line
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
