"""Who defaults: the log-odds of default as a function of the complete features, and nothing else.

Plain effects are what a scorecard adds up. On top stand interactions that underwriters know and that no sum of single
columns can show:

- *Behind and stretched*: a used-up credit line is nearly harmless for someone who pays on time, and a warning after
  late payments (utilisation x delinquencies).
- *Loan against income*: only a loan that is large for its borrower's income is risky (loan amount x income).
- *Term and purpose*: a car or a home improvement is well financed over years, since the asset lasts, and a small
  business that must repay within a year runs dry; a holiday or household goods paid off over six years mean a
  strained budget (loan purpose x term; the sign differs).
- *Who looked at it*: a branch vets large loans in person, a broker is paid by the amount (channel x loan amount; the
  sign differs).
- *No cushion where income is unsteady*: savings matter for the self-employed, the temporary and the jobless, hardly for
  public servants and pensioners (employment x savings).
- *Local labour market*: unemployment around them hits those who can be laid off (employment x regional unemployment).
- *Thin file, many inquiries*: shopping around is normal with a long history and a sign of need with a short one
  (inquiries x credit history).
- *Rent on top of debts*: existing debts weigh more for whoever pays rent as well (housing x debt to income).

All else equal, the log-odds never fall with utilisation, delinquencies, debt to income, interest rate, unemployment,
inquiries or public records, and never rise with income, savings, months employed or credit history.
Region, dependants, time at address, credit limit, open accounts, sex and age band have no effect of their own: what
they show, they show through the columns they go along with.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lockgate.data.synthetic import risk_tables as tables
from lockgate.data.synthetic.draws import FloatArray, per_category


def default_probability(complete: pd.DataFrame) -> FloatArray:
    """Probability of default within the observation window, for each row of complete features."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds(complete))), dtype=np.float64)


def log_odds(complete: pd.DataFrame) -> FloatArray:
    """Log-odds of default; `complete` is what `population.applicants` gives: no gaps, categories as categoricals."""
    return np.asarray(tables.INTERCEPT + _plain_effects(complete) + _interactions(complete), dtype=np.float64)


def _plain_effects(rows: pd.DataFrame) -> FloatArray:
    total = _effects(rows, "loan_purpose", tables.PURPOSE) + _effects(rows, "housing", tables.HOUSING)
    for name, effect in tables.PLAIN.items():
        total = total + effect * _numbers(rows, name)
    for name, (effect, scale) in tables.PLAIN_LOGARITHMIC.items():
        total = total + effect * np.log1p(_numbers(rows, name) / scale)
    return total


def _interactions(rows: pd.DataFrame) -> FloatArray:
    late = np.minimum(_numbers(rows, "delinquencies"), tables.DELINQUENCIES_THAT_COUNT)
    stretched = _share_beyond(_numbers(rows, "utilisation"), tables.UTILISATION_FREE_SHARE, 1.0)
    loan = _numbers(rows, "loan_amount")
    burden = np.clip(loan / _numbers(rows, "income"), tables.LOAN_BURDEN_FREE_SHARE, tables.LOAN_BURDEN_LIMIT)
    years_beyond_usual = _numbers(rows, "term_months") / 12.0 - tables.USUAL_TERM_YEARS
    cushion = np.log1p(_numbers(rows, "savings") / tables.SAVINGS_SCALE) / np.log1p(
        tables.SAVINGS_ENOUGH / tables.SAVINGS_SCALE
    )
    unemployment = np.maximum(_numbers(rows, "regional_unemployment") - tables.USUAL_UNEMPLOYMENT, 0.0)
    inquiries = np.minimum(_numbers(rows, "inquiries"), tables.INQUIRIES_THAT_COUNT)
    thin = np.maximum(1.0 - _numbers(rows, "credit_history_months") / tables.FULL_FILE_MONTHS, 0.0)
    tenant = _effects(rows, "housing", tables.TENANT)
    total: FloatArray = (
        tables.BEHIND_AND_STRETCHED * late * stretched
        + tables.LOAN_BURDEN * (burden - tables.LOAN_BURDEN_FREE_SHARE)
        + _effects(rows, "loan_purpose", tables.TERM_BY_PURPOSE) * years_beyond_usual
        + _effects(rows, "application_channel", tables.LOAN_SIZE_BY_CHANNEL) * np.log(loan / tables.USUAL_LOAN)
        + _effects(rows, "employment_type", tables.NO_CUSHION) * np.maximum(1.0 - cushion, 0.0)
        + _effects(rows, "employment_type", tables.EXPOSED_TO_LABOUR_MARKET) * unemployment
        + tables.THIN_FILE * inquiries * thin
        + tables.RENT_AND_DEBTS * tenant * _numbers(rows, "debt_to_income")
    )
    return total


def _share_beyond(values: FloatArray, free: float, full: float) -> FloatArray:
    return np.asarray(np.clip((values - free) / (full - free), 0.0, 1.0), dtype=np.float64)


def _numbers(rows: pd.DataFrame, name: str) -> FloatArray:
    return np.asarray(rows[name], dtype=np.float64)


def _effects(rows: pd.DataFrame, name: str, table: Mapping[str, float]) -> FloatArray:
    return per_category(rows[name].array, table)
