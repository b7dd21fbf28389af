"""Who applies: every feature of the synthetic applicants, before anything goes missing.

Each applicant has an age, a sex and two hidden traits that no column shows: `earning` (earning power) and `prudence`
(how carefully credit is handled), independent standard normals. Columns follow from these and from one another in one
direction:

    age, sex, region        -> employment -> income
    age, earning            -> housing, credit limit, savings, length of credit history, time in job and at address
    prudence (and earning)  -> utilisation, delinquencies, public records, inquiries, debt to income, savings
    housing, income         -> loan purpose -> loan amount -> term
    purpose, term, delinquencies, public records, utilisation -> interest rate
    region                  -> regional unemployment

Money is log-normal, counts pile up at zero, utilisation is a squashed normal. Nothing but the three shocked features is
computed from a shocked one, so a shock leaves every other column bit for bit as it was. Age and sex are audit
columns: they act on the label only through what a lender sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lockgate.data.synthetic import macro_shock
from lockgate.data.synthetic import population_tables as tables
from lockgate.data.synthetic.draws import (
    Draws,
    FloatArray,
    IntArray,
    categorical,
    count,
    mixed,
    per_category,
    rounded,
    rounded_to,
)

Columns = dict[str, Any]
Traits = Mapping[str, FloatArray]


def applicants(draws: Draws, shock: float) -> pd.DataFrame:
    """Features and audit columns, complete and rounded as they are published; categories as pandas categoricals."""
    age = _curve(tables.AGE_QUANTILES, draws.uniform("age")).astype(np.int64)
    traits = {"earning": draws.normal("earning"), "prudence": draws.normal("prudence")}
    columns = _person(draws, age, traits)
    columns |= _credit_file(draws, age, traits, shock)
    columns["debt_to_income"] = _debt_to_income(draws, columns["housing"], traits)
    columns |= _loan(draws, columns)
    columns["regional_unemployment"] = _unemployment(draws, columns["region"], shock)
    columns["interest_rate"] = _interest_rate(draws, columns, shock)
    return pd.DataFrame(columns)


def _person(draws: Draws, age: IntArray, traits: Traits) -> Columns:
    """Audit columns, and what an application form asks: work, income, home, place, savings."""
    decades = (age - 40) / 10
    female = draws.uniform("sex") < tables.FEMALE_SHARE
    by_age = {"retired": _curve(tables.RETIRED_BY_AGE, age), "temporary": _curve(tables.TEMPORARY_BY_AGE, age)}
    employment = draws.pick(
        "employment_type",
        {
            name: weight * np.where(female, women, 1.0) * by_age.get(name, 1.0)
            for name, (weight, women, _, _) in tables.EMPLOYMENT.items()
        },
    )
    region = draws.pick("region", _column(tables.REGIONS, 0))
    housing = {
        name: weight * np.exp(per_decade * decades + per_trait * traits["earning"])
        for name, (weight, per_decade, per_trait) in tables.HOUSING.items()
    }
    channel = {name: weight * np.exp(growth * decades) for name, (weight, growth) in tables.CHANNELS.items()}
    in_job = (age - 17) * 12 * draws.uniform("months_employed") ** tables.MONTHS_EMPLOYED_EXPONENT
    at_address = age * 12 * draws.uniform("months_at_address") ** tables.MONTHS_AT_ADDRESS_EXPONENT
    family = draws.normal("dependants") + _curve(tables.DEPENDANTS_BY_AGE, age)
    return {
        "sex": categorical(female.astype(np.int64), ["male", "female"]),
        "age_band": _age_band(age),
        "employment_type": employment,
        "region": region,
        "income": _income(draws, employment, region, age, female, traits),
        "months_employed": np.where(employment.isin(tables.WITHOUT_JOB), 0, in_job).astype(np.int64),
        "housing": draws.pick("housing", housing),
        "months_at_address": at_address.astype(np.int64),
        "dependants": count(family, tables.DEPENDANTS_SHARES),
        "savings": _money(draws, "savings", tables.SAVINGS, age, traits, step=10.0),
        "application_channel": draws.pick("application_channel", channel),
    }


def _income(
    draws: Draws,
    employment: pd.Categorical,
    region: pd.Categorical,
    age: IntArray,
    female: npt.NDArray[np.bool_],
    traits: Traits,
) -> FloatArray:
    level = per_category(employment, _column(tables.EMPLOYMENT, 2))
    level = level + per_category(region, _column(tables.REGIONS, 2))
    level = level + _curve(tables.INCOME_LOG_BY_AGE, age) + tables.INCOME_LOG_WOMEN * female
    spread = per_category(employment, _column(tables.EMPLOYMENT, 3))
    latent = mixed([(tables.INCOME_LOADING_ON_EARNING, traits["earning"])], draws.normal("income"))
    return rounded_to(tables.MEDIAN_INCOME * np.exp(level + spread * latent), 10.0)


def _credit_file(draws: Draws, age: IntArray, traits: Traits, shock: float) -> Columns:
    """What a credit bureau knows."""
    loadings = [(loading, traits[name]) for name, loading in tables.UTILISATION_LOADINGS.items()]
    logit = tables.UTILISATION_CENTRE + tables.UTILISATION_SPREAD * mixed(loadings, draws.normal("utilisation"))
    logit = logit + macro_shock.UTILISATION_LOGIT * shock
    history = (age - 17) * 12 * draws.uniform("credit_history_months") ** tables.CREDIT_HISTORY_EXPONENT
    return {
        "credit_limit": _money(draws, "credit_limit", tables.CREDIT_LIMIT, age, traits, step=100.0),
        "utilisation": rounded(1.0 / (1.0 + np.exp(-logit)), 4),
        "delinquencies": _incidents(draws, "delinquencies", tables.DELINQUENCIES, traits),
        "public_records": _incidents(draws, "public_records", tables.PUBLIC_RECORDS, traits),
        "inquiries": _incidents(draws, "inquiries", tables.INQUIRIES, traits),
        "open_accounts": 1 + _incidents(draws, "open_accounts", tables.OPEN_ACCOUNTS, traits),
        "credit_history_months": history.astype(np.int64),
    }


def _debt_to_income(draws: Draws, housing: pd.Categorical, traits: Traits) -> FloatArray:
    """Payments on existing debts over income; the loan applied for, whose rate is shocked, is not in it."""
    median, spread, earning, prudence = tables.DEBT_TO_INCOME
    level = per_category(housing, tables.DEBT_TO_INCOME_LOG_BY_HOUSING) + spread * draws.normal("debt_to_income")
    level = level + earning * traits["earning"] + prudence * traits["prudence"]
    return rounded(np.minimum(median * np.exp(level), tables.DEBT_TO_INCOME_LIMIT), 4)


def _loan(draws: Draws, columns: Columns) -> Columns:
    """What is applied for: owners improve homes, higher incomes borrow more, larger loans run longer."""
    owner = columns["housing"].isin(tables.OWNERS)
    weights = {name: weight * np.where(owner, owners, 1.0) for name, (weight, owners, _) in tables.PURPOSES.items()}
    purpose = draws.pick("loan_purpose", weights)
    noise = draws.normal("loan_amount")
    level = tables.LOAN_INCOME_ELASTICITY * np.log(columns["income"] / tables.MEDIAN_INCOME)
    level = level + per_category(purpose, _column(tables.PURPOSES, 2))
    amount = np.clip(tables.MEDIAN_LOAN * np.exp(level + tables.LOAN_SPREAD * noise), *tables.LOAN_RANGE)
    step = count(mixed([(tables.TERM_LOADING_ON_LOAN, noise)], draws.normal("term_months")), tables.TERM_SHARES)
    return {
        "loan_purpose": purpose,
        "loan_amount": rounded_to(amount, 100.0),
        "term_months": np.asarray(tables.TERMS, dtype=np.int64)[step],
    }


def _unemployment(draws: Draws, region: pd.Categorical, shock: float) -> FloatArray:
    """Percent, of the applicant's labour-market area: its region's level and a local difference."""
    level = per_category(region, _column(tables.REGIONS, 1))
    local = tables.UNEMPLOYMENT_SPREAD_WITHIN_REGION * draws.normal("regional_unemployment")
    return rounded(np.clip(level + local + macro_shock.UNEMPLOYMENT * shock, *tables.UNEMPLOYMENT_RANGE), 1)


def _interest_rate(draws: Draws, columns: Columns, shock: float) -> FloatArray:
    """Percent a year, from the lender's pricing grid, which sees only part of the risk."""
    rate = tables.RATE_BASE + per_category(columns["loan_purpose"], tables.RATE_BY_PURPOSE)
    rate = rate + tables.RATE_PER_YEAR_OF_TERM * columns["term_months"] / 12
    rate = rate + tables.RATE_PER_DELINQUENCY * columns["delinquencies"]
    rate = rate + tables.RATE_PER_PUBLIC_RECORD * columns["public_records"]
    rate = rate + tables.RATE_PER_UNIT_OF_UTILISATION * columns["utilisation"]
    rate = rate + tables.RATE_NOISE * draws.normal("interest_rate")
    return rounded(np.clip(rate + macro_shock.INTEREST_RATE * shock, *tables.RATE_RANGE), 2)


def _money(
    draws: Draws, name: str, table: tuple[float, float, float, float, float], age: IntArray, traits: Traits, step: float
) -> FloatArray:
    median, spread, earning, prudence, per_decade = table
    level = earning * traits["earning"] + prudence * traits["prudence"] + per_decade * (age - 40) / 10
    return rounded_to(median * np.exp(level + spread * draws.normal(name)), step)


def _incidents(draws: Draws, name: str, table: tuple[float, float, tuple[float, ...]], traits: Traits) -> IntArray:
    prudence, earning, shares = table
    loadings = [(prudence, traits["prudence"]), (earning, traits["earning"])]
    return count(mixed(loadings, draws.normal(name)), shares)


def _curve(points: Mapping[float, float], at: npt.NDArray[Any]) -> FloatArray:
    """The broken line through `points`."""
    return np.asarray(np.interp(at, list(points), list(points.values())), dtype=np.float64)


def _column(table: Mapping[str, tuple[float, ...]], position: int) -> dict[str, float]:
    return {name: row[position] for name, row in table.items()}


def _age_band(age: IntArray) -> pd.Categorical:
    starts = list(tables.AGE_BANDS.values())
    codes = np.asarray(np.searchsorted(starts, age, side="right") - 1, dtype=np.int64)
    return categorical(codes, tables.AGE_BANDS)
