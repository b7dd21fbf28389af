"""What MLflow's page of a version says, for who knows nothing of the kit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from verdicts import check, verdict

from lockgate.config.version import __version__
from lockgate.documents.gate_json import AcceptedException
from lockgate.registry.description import version_description

BUNDLE: Any = SimpleNamespace(
    digest="b0" * 32,
    training_data="79" * 32,
    schema=SimpleNamespace(target="default", features=("income", "housing")),
    profile=SimpleNamespace(n=14_000),
)
FLOOR = check(name="roc_auc floor", metric="roc_auc", value=0.774, low=0.76, high=0.79, op=">=", threshold=0.72)
CEILING = check(
    name="brier ceiling", kind="ceiling", metric="brier", value=0.15, low=None, high=None, op="<=", threshold=0.2
)
VERDICT = verdict("pass", FLOOR, CEILING)


def test_it_says_what_the_model_answers_from_which_data_how_good_it_is_and_how_to_load_it() -> None:
    lines = version_description(BUNDLE, VERDICT, "m-7", "trained here").splitlines()
    assert lines[0].startswith("The probability that `default` happens, from 2 columns of one row.")
    assert f"below {VERDICT.decision.threshold:g} is a favourable decision" in lines[0]
    assert lines[2:8] == [
        f"- Data: 14,000 training rows (sha256 `797979797979`), and {VERDICT.n:,} test rows that were held back (sha256 "
        f"`{VERDICT.data[:12]}`), {100 * VERDICT.positives / VERDICT.n:.1f}\u00a0% of them with the event",
        "- Origin: trained here",
        f"- Gate: pass, by the policy `{VERDICT.policy[:12]}`",
        "- ROC-AUC on the test rows: 0.7740 [0.7600, 0.7900], where the gate asks for at least 0.7200",
        "- Brier score on the test rows: 0.1500, where the gate asks for at most 0.2000",
        f"- Bundle: `{BUNDLE.digest}`",
    ]
    commands = "\n".join(lines[8:])
    assert f"pip install mlflow 'lockgate[service]=={__version__}'" in commands
    assert "mlflow models serve --model-uri models:/m-7 --env-manager local" in commands
    assert 'mlflow.pyfunc.load_model("models:/m-7")' in commands


def test_it_says_under_which_exception_the_version_passed() -> None:
    accepted = AcceptedException("the bureau changed its score", "the committee", "2026-12-31")
    said = version_description(BUNDLE, msgspec.structs.replace(VERDICT, exception=accepted), "m-7", "trained here")
    assert "- Exception: approved by the committee until 2026-12-31: the bureau changed its score\n" in said
    assert "Exception" not in version_description(BUNDLE, VERDICT, "m-7", "trained here")


@pytest.mark.parametrize("target", ["a`b", "a\n\n# b", "``` <b>"])
def test_a_columns_name_ends_neither_its_code_span_nor_its_line(target: str) -> None:
    bundle = SimpleNamespace(**{**vars(BUNDLE), "schema": SimpleNamespace(target=target, features=())})
    first = version_description(bundle, VERDICT, "m-7", "trained here").splitlines()[0]
    assert first.count("`") == 2
    assert first.startswith("The probability that `")
