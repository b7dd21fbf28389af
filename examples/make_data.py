"""Make the examples' tables: loans that were never given to anybody. From the folder `examples`: python make_data.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

LOANS, BATCH, SCORES = 3000, 800, 1200  # rows


def draw_loans(random: np.random.Generator, rows: int, first_id: int, income_factor: float = 1.0) -> pd.DataFrame:
    """Loans with their outcome; `income_factor` makes all applicants richer or poorer."""
    income = np.exp(random.normal(10.5, 0.45, rows)) * income_factor
    amount = np.exp(random.normal(9.2, 0.6, rows))
    years = random.gamma(1.6, 4.0, rows)
    late = random.poisson(0.5, rows)
    home = random.choice(["mortgage", "own", "rent"], rows, p=[0.4, 0.2, 0.4])
    purpose = random.choice(["car", "debts", "education", "home", "other"], rows)
    log_odds = (
        -2.3
        + 1.5 * np.log(amount / income / 0.28)
        + 1.1 * late
        - 0.09 * years
        + 0.6 * (home == "rent")
        + 0.7 * (purpose == "debts")
    )
    defaulted = random.random(rows) < 1 / (1 + np.exp(-log_odds))
    loans = pd.DataFrame(
        {
            "loan_id": np.arange(first_id, first_id + rows),
            "income": income.round(-2).astype(int),
            "amount": amount.round(-2).astype(int),
            "years_employed": years.round(1),
            "late_payments": late,
            "home": home,
            "purpose": purpose,
            "defaulted": defaulted.astype(int),
        }
    )
    loans.loc[random.random(rows) < 0.05, "years_employed"] = np.nan
    return loans


def draw_scores(random: np.random.Generator, rows: int) -> pd.DataFrame:
    """What some model of somebody's said of test rows, and what came of them."""
    log_odds = random.normal(-1.5, 1.6, rows)
    outcome = random.random(rows) < 1 / (1 + np.exp(-log_odds))
    said = 1 / (1 + np.exp(-(log_odds + random.normal(0.0, 0.3, rows))))
    return pd.DataFrame({"row_key": np.arange(rows), "y_true": outcome.astype(int), "y_score": said.round(4)})


def tables() -> dict[str, pd.DataFrame]:
    """Every table by its path in the folder `examples`."""
    random = np.random.default_rng(7)
    loans = draw_loans(random, LOANS, 100_001)
    batch = draw_loans(random, BATCH, 200_001, income_factor=0.7).drop(columns="defaulted")
    return {
        "predictions/scores.csv": draw_scores(random, SCORES),
        "table/loans.csv": loans,
        "table/this_month.csv": batch,
        "own-model/loans.csv": loans,
    }


if __name__ == "__main__":
    for name, table in tables().items():
        table.to_csv(Path(__file__).parent / name, index=False)
