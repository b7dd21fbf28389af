"""The whole pipeline on "Default of Credit Card Clients" (I-Cheng Yeh, UCI), through nothing but a params file.

The file is not part of the project: LOCKGATE_CREDIT_FILE names it, and .ci/run runs this where there is one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import invoke, succeed, write_params


@pytest.mark.credit_file
def test_from_prepare_to_register(tmp_path: Path) -> None:
    write_params(
        tmp_path,
        {
            "prepare": {
                "source": str(Path(os.environ["LOCKGATE_CREDIT_FILE"]).resolve()),
                "target": "default.payment.next.month",
                "id_columns": ["ID"],
                "kinds": {"EDUCATION": "categorical", "SEX": "categorical", "MARRIAGE": "categorical"},
                "audit_columns": ["SEX", "AGE", "MARRIAGE"],
            }
        },
    )
    for command in (["prepare"], ["train"], ["evaluate"], ["gate"], ["drift"], ["report"], ["register", "--promote"]):
        succeed(invoke(tmp_path, *command))
    metrics = json.loads((tmp_path / "reports/metrics.json").read_text())
    assert metrics["n"] == 7523
    assert metrics["roc_auc"] > 0.77
    assert metrics["pr_auc"] > 0.54
    assert metrics["brier"] < 0.135
    schema = json.loads((tmp_path / "data/schema.json").read_text())
    assert not {"SEX", "AGE", "MARRIAGE", "ID"} & {feature["name"] for feature in schema["features"]}
    assert json.loads((tmp_path / "reports/drift.json").read_text())["status"] == "stable"


@pytest.mark.credit_file
def test_init_finds_what_its_columns_are_for(tmp_path: Path) -> None:
    succeed(invoke(tmp_path, "init", str(Path(os.environ["LOCKGATE_CREDIT_FILE"]).resolve()), "--yes"))
    prepare = YAML(typ="safe").load(tmp_path / "params.yaml")["prepare"]
    assert Path(prepare.pop("source")).is_file()
    assert prepare == {
        "target": "default.payment.next.month",
        "id_columns": ["ID"],
        "audit_columns": ["SEX", "MARRIAGE"],
        "kinds": {"SEX": "categorical", "EDUCATION": "categorical", "MARRIAGE": "categorical"},
    }
    for command in ("prepare", "train", "evaluate", "gate"):
        succeed(invoke(tmp_path, command))
