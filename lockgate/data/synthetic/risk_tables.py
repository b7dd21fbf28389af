"""The numbers behind the odds of default, in log-odds; `risk` says what each effect means and why it is there."""

from __future__ import annotations

# Set so that 22 % default without a shock.
INTERCEPT = -3.07

# Plain effects: log-odds a unit of the column (ratios as ratios, the rate and unemployment in percent)...
PLAIN = {
    "utilisation": 0.60,
    "delinquencies": 0.05,
    "debt_to_income": 0.50,
    "interest_rate": 0.05,
    "regional_unemployment": 0.06,
    "inquiries": 0.02,
    "public_records": 0.20,
}
# ...or a unit of log(1 + column / scale): (log-odds, scale).
PLAIN_LOGARITHMIC = {
    "income": (-0.15, 1_000.0),
    "credit_history_months": (-0.08, 12.0),
    "months_employed": (-0.03, 12.0),
    "savings": (-0.03, 1_000.0),
}
PURPOSE = {
    "car": -0.15,
    "debt_consolidation": 0.10,
    "education": 0.05,
    "home_improvement": -0.15,
    "household_goods": 0.0,
    "medical": 0.20,
    "small_business": 0.30,
    "travel": 0.0,
}
HOUSING = {"mortgage": -0.15, "own": -0.20, "rent": 0.10, "with_family": 0.05}

# Log-odds at full utilisation for each delinquency, up to the most that count; none below the free share.
BEHIND_AND_STRETCHED = 0.84
DELINQUENCIES_THAT_COUNT = 3.0
UTILISATION_FREE_SHARE = 0.30
# Log-odds a unit of loan over yearly income, from the free share up to the limit.
LOAN_BURDEN = 1.6
LOAN_BURDEN_FREE_SHARE = 0.30
LOAN_BURDEN_LIMIT = 1.30
# Log-odds a year of term beyond three (less, before).
TERM_BY_PURPOSE = {
    "car": -0.44,
    "debt_consolidation": 0.14,
    "education": -0.34,
    "home_improvement": -0.49,
    "household_goods": 0.63,
    "medical": 0.44,
    "small_business": -0.58,
    "travel": 0.73,
}
USUAL_TERM_YEARS = 3.0
# Log-odds a unit of the logarithm of the loan amount over the usual loan.
LOAN_SIZE_BY_CHANNEL = {"branch": -0.45, "broker": 0.60, "online": 0.25, "phone": -0.10}
USUAL_LOAN = 9_500.0
# Log-odds at no savings at all, falling with their logarithm to none at enough.
NO_CUSHION = {
    "not_employed": 1.7,
    "permanent": 0.2,
    "public_sector": 0.0,
    "retired": 0.0,
    "self_employed": 1.5,
    "temporary": 1.5,
}
SAVINGS_SCALE = 100.0
SAVINGS_ENOUGH = 20_000.0
# Log-odds a percentage point of regional unemployment above the usual.
EXPOSED_TO_LABOUR_MARKET = {
    "not_employed": 0.15,
    "permanent": 0.12,
    "public_sector": 0.0,
    "retired": 0.0,
    "self_employed": 0.14,
    "temporary": 0.28,
}
USUAL_UNEMPLOYMENT = 5.0
# Log-odds an inquiry (up to the most that count) with no history, falling to none at a full file.
THIN_FILE = 0.40
INQUIRIES_THAT_COUNT = 5.0
FULL_FILE_MONTHS = 84.0
# Log-odds a unit of debt to income, more than others, for tenants.
RENT_AND_DEBTS = 1.6
TENANT = {"mortgage": 0.0, "own": 0.0, "rent": 1.0, "with_family": 0.0}
