"""Reading the policy of a params file, and writing one that `lockgate gate --policy` takes."""

from __future__ import annotations

import io
from pathlib import Path

from pipeline.core.common.params import Evaluate, Gate, read_policy
from pipeline.core.common.yaml_file import read_yaml
from pipeline.core.policy.difference import POLICY_SECTIONS, Side


def read_side(path: Path) -> Side:
    """The policy in a params file, defaults where it has none.

    Raises InputError naming the file and the key.
    """
    document = read_yaml(path)
    stated = any(name in document for name in POLICY_SECTIONS)
    evaluate, gate = read_policy(path) if stated else (Evaluate(), Gate())
    return Side(evaluate, gate, {name: value for name, value in document.items() if name not in POLICY_SECTIONS})


def policy_file(side: Side) -> bytes:
    """YAML with every value of the two sections."""
    from ruamel.yaml import YAML

    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(
        {"evaluate": side.evaluate.model_dump(mode="json"), "gate": side.gate.model_dump(mode="json")}, stream
    )
    return stream.getvalue().encode()
