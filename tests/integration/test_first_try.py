"""From a file that nobody here made for the kit to a verdict: the three routes of README.md, at the first try.

The tables have the columns, sizes, texts and gaps of three public files. `init` has to find what each column is for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from e2e.act_tree import clone_tree
from ruamel.yaml import YAML
from support import invoke, succeed

pytestmark = pytest.mark.full

MOST_SECONDS = 600.0
Generator = np.random.Generator


def chosen(random: Generator, rows: int, **shares: float) -> np.ndarray[Any, Any]:
    return random.choice(list(shares), rows, p=np.array([*shares.values()]) / sum(shares.values()))


def happens(random: Generator, log_odds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return random.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))


def german_credit(random: Generator) -> pd.DataFrame:
    """Statlog's German credit in its codes: 1,000 rows, 13 columns of texts, the event is class 2."""
    rows = 1000
    checking = chosen(random, rows, A11=274, A12=269, A13=63, A14=394)
    history = chosen(random, rows, A30=40, A31=49, A32=530, A33=88, A34=293)
    months = random.integers(1, 13, rows) * 6
    risk = 1.6 * np.isin(checking, ["A11", "A12"]) - 1.5 * (history == "A34") + 0.04 * (months - 21) - 1.6
    return pd.DataFrame(
        {
            "checking_status": checking,
            "duration": months,
            "credit_history": history,
            "purpose": chosen(random, rows, A40=234, A41=103, A42=181, A43=280, A46=50, A49=97, A410=12),
            "credit_amount": random.lognormal(7.8, 0.8, rows).astype(int),
            "savings": chosen(random, rows, A61=603, A62=103, A63=63, A64=48, A65=183),
            "employment": chosen(random, rows, A71=62, A72=172, A73=339, A74=174, A75=253),
            "installment_rate": random.integers(1, 5, rows),
            "other_parties": chosen(random, rows, A101=907, A102=41, A103=52),
            "residence_since": random.integers(1, 5, rows),
            "property": chosen(random, rows, A121=282, A122=232, A123=332, A124=154),
            "age": random.integers(19, 75, rows),
            "housing": chosen(random, rows, A151=179, A152=713, A153=108),
            "own_telephone": chosen(random, rows, A191=596, A192=404),
            "class": np.where(happens(random, risk), 2, 1),
        }
    )


def loans_with_gaps(random: Generator) -> pd.DataFrame:
    """32,581 loans, 2.7 % without the years of employment and 9.6 % without a rate, the target in the middle."""
    rows = 32_581
    income = random.lognormal(10.9, 0.6, rows).round(-2)
    amount = (random.integers(2, 140, rows) * 250).astype(float)
    grade = chosen(random, rows, A=0.33, B=0.32, C=0.2, D=0.11, E=0.03, F=0.008, G=0.002)
    rate = 6 + 2.4 * np.array([ord(one) - 65 for one in grade]) + random.normal(0, 0.9, rows)
    share = (amount / income).clip(0, 0.83).round(2)
    home = chosen(random, rows, RENT=0.5, MORTGAGE=0.41, OWN=0.08, OTHER=0.01)
    risk = 7 * share + 0.3 * (rate - 11) + 1.0 * (home == "RENT") - 3.6
    return pd.DataFrame(
        {
            "person_age": random.integers(20, 70, rows),
            "person_income": income.astype(int),
            "person_home_ownership": home,
            "person_emp_length": np.where(random.random(rows) < 0.027, np.nan, random.integers(0, 40, rows)),
            "loan_intent": chosen(random, rows, EDUCATION=6, MEDICAL=6, VENTURE=6, PERSONAL=5, HOMEIMPROVEMENT=4),
            "loan_grade": grade,
            "loan_amnt": amount.astype(int),
            "loan_int_rate": np.where(random.random(rows) < 0.096, np.nan, rate.round(2)),
            "loan_status": happens(random, risk).astype(int),
            "loan_percent_income": share,
            "cb_person_default_on_file": chosen(random, rows, N=0.82, Y=0.18),
            "cb_person_cred_hist_length": random.integers(2, 31, rows),
        }
    )


def card_clients(random: Generator) -> pd.DataFrame:
    """30,000 holders of a card: categories coded as whole numbers, months of bills and payments, an identifier."""
    rows = 30_000
    late = np.cumsum(random.normal(0, 0.8, (rows, 6)), axis=1).round().clip(-2, 8).astype(int)
    limit = random.integers(1, 80, rows) * 10_000
    bills = (limit[:, None] * random.beta(0.8, 2.0, (rows, 6))).astype(int)
    paid = (bills * random.beta(0.5, 4.0, (rows, 6))).astype(int)
    risk = 1.3 * late[:, 0] + 0.4 * late[:, 1] - limit / 400_000 - 1.0
    return pd.DataFrame(
        {
            "ID": np.arange(1, rows + 1),
            "LIMIT_BAL": limit,
            "SEX": random.integers(1, 3, rows),
            "EDUCATION": random.choice(7, rows, p=[0.001, 0.352, 0.467, 0.164, 0.004, 0.009, 0.003]),
            "MARRIAGE": random.choice(4, rows, p=[0.002, 0.455, 0.532, 0.011]),
            "AGE": random.integers(21, 75, rows),
            **{f"PAY_{month}": late[:, at] for at, month in enumerate((0, 2, 3, 4, 5, 6))},
            **{f"BILL_AMT{at + 1}": bills[:, at] for at in range(6)},
            **{f"PAY_AMT{at + 1}": paid[:, at] for at in range(6)},
            "default.payment.next.month": happens(random, risk).astype(int),
        }
    )


@dataclass(frozen=True)
class Table:
    """A generator of a table, and what `init` has to propose for it beside the source."""

    make: Callable[[Generator], pd.DataFrame]
    proposed: dict[str, object]


TABLES = {
    "german credit": Table(german_credit, {"target": "class", "positive": "2"}),
    "loans with gaps": Table(loans_with_gaps, {"target": "loan_status"}),
    "card clients": Table(
        card_clients,
        {
            "target": "default.payment.next.month",
            "id_columns": ["ID"],
            "audit_columns": ["SEX", "MARRIAGE"],
            "kinds": {"SEX": "categorical", "EDUCATION": "categorical", "MARRIAGE": "categorical"},
        },
    ),
}


def proposed(folder: Path) -> dict[str, object]:
    prepare = dict(YAML(typ="safe").load(folder / "params.yaml")["prepare"])
    assert prepare.pop("source") == "table.csv"
    return prepare


@pytest.mark.parametrize("name", TABLES)
def test_a_table_and_then_its_predictions(name: str, tmp_path: Path) -> None:
    """The second and the first route."""
    begun = time.monotonic()
    (tmp_path / "project").mkdir()
    TABLES[name].make(np.random.default_rng(11)).to_csv(tmp_path / "project/table.csv", index=False)
    succeed(invoke(tmp_path / "project", "init", "table.csv", "--yes"))
    assert proposed(tmp_path / "project") == TABLES[name].proposed
    for command in ("prepare", "train", "evaluate", "gate", "drift", "report", "register"):
        succeed(invoke(tmp_path / "project", command))

    (tmp_path / "elsewhere").mkdir()
    predictions = pd.read_parquet(tmp_path / "project/reports/predictions.parquet")
    predictions[["y_true", "y_score"]].to_csv(tmp_path / "elsewhere/scores.csv", index=False)
    succeed(invoke(tmp_path / "elsewhere", "gate", "--predictions", "scores.csv"))
    assert time.monotonic() - begun < MOST_SECONDS


@pytest.mark.parametrize("name", TABLES)
def test_a_table_in_a_copy(name: str, tmp_path: Path) -> None:
    """The third route, with its environment made already."""
    begun = time.monotonic()
    copy = tmp_path / "copy"
    clone_tree(copy)
    TABLES[name].make(np.random.default_rng(11)).to_csv(copy / "table.csv", index=False)
    succeed(invoke(copy, "init", "table.csv", "--yes", "--force"))
    assert proposed(copy) == TABLES[name].proposed
    succeed(invoke(copy, "reproduce"))
    succeed(invoke(copy, "gate"))
    assert time.monotonic() - begun < MOST_SECONDS
