"""The numbers behind the synthetic applicants: shares, medians, spreads and loadings, one table a purpose.

Money is a yearly or total amount in one currency, ages are years, spreads are standard deviations of the natural
logarithm.
A `loading` says how strongly a column follows a hidden trait of the applicant; see `population.py` for the traits.
"""

from __future__ import annotations

AGE_QUANTILES = {0.0: 18.0, 0.1: 24.0, 0.25: 31.0, 0.5: 41.0, 0.75: 53.0, 0.9: 64.0, 1.0: 82.0}
AGE_BANDS = {"18-24": 18, "25-34": 25, "35-44": 35, "45-54": 45, "55-64": 55, "65+": 65}
FEMALE_SHARE = 0.48

# region: (share of applicants, unemployment in percent, logarithm of the income level)
REGIONS = {
    "capital": (0.18, 5.2, 0.18),
    "central": (0.13, 5.6, 0.02),
    "coast": (0.10, 6.8, -0.06),
    "east": (0.11, 6.4, -0.05),
    "north": (0.12, 7.6, -0.10),
    "north_west": (0.09, 7.0, -0.06),
    "south": (0.12, 4.8, 0.08),
    "south_west": (0.08, 5.0, 0.00),
    "west": (0.07, 6.0, -0.02),
}
UNEMPLOYMENT_SPREAD_WITHIN_REGION = 1.1
UNEMPLOYMENT_RANGE = (1.5, 40.0)

# employment: (weight, weight times this for women, logarithm of the income level, spread of income)
INCOME_LOADING_ON_EARNING = 0.85
EMPLOYMENT = {
    "not_employed": (0.05, 1.2, -0.75, 0.45),
    "permanent": (0.52, 1.0, 0.05, 0.36),
    "public_sector": (0.13, 1.5, 0.04, 0.28),
    "retired": (0.11, 1.0, -0.35, 0.40),
    "self_employed": (0.12, 0.7, 0.06, 0.62),
    "temporary": (0.12, 1.1, -0.25, 0.38),
}
WITHOUT_JOB = ("not_employed", "retired")
RETIRED_BY_AGE = {56.0: 0.0, 60.0: 0.5, 68.0: 14.0}
TEMPORARY_BY_AGE = {18.0: 2.6, 30.0: 1.2, 45.0: 0.8}
MEDIAN_INCOME = 34_000.0
INCOME_LOG_BY_AGE = {18.0: -0.42, 26.0: -0.12, 38.0: 0.06, 50.0: 0.10, 60.0: 0.02, 82.0: -0.10}
INCOME_LOG_WOMEN = -0.09

# housing: (weight, growth of the log weight with a decade of age over 40, growth with the trait `earning`)
HOUSING = {
    "mortgage": (0.33, 0.05, 0.45),
    "own": (0.16, 0.60, 0.30),
    "rent": (0.42, -0.20, -0.25),
    "with_family": (0.09, -0.75, -0.20),
}
# channel: (weight, growth of the log weight with a decade of age over 40)
CHANNELS = {"branch": (0.26, 0.35), "broker": (0.15, 0.0), "online": (0.46, -0.25), "phone": (0.13, 0.15)}
# purpose: (weight, weight times this for owners, logarithm of the loan level)
PURPOSES = {
    "car": (0.19, 1.0, 0.25),
    "debt_consolidation": (0.30, 1.0, 0.20),
    "education": (0.07, 0.6, -0.15),
    "home_improvement": (0.10, 2.4, 0.30),
    "household_goods": (0.13, 0.8, -0.70),
    "medical": (0.06, 1.0, -0.45),
    "small_business": (0.08, 1.0, 0.50),
    "travel": (0.07, 0.9, -0.60),
}
OWNERS = ("mortgage", "own")

MEDIAN_LOAN = 9_500.0
LOAN_INCOME_ELASTICITY = 0.35
LOAN_SPREAD = 0.55
LOAN_RANGE = (500.0, 75_000.0)
TERMS = (12, 24, 36, 48, 60, 72)
TERM_SHARES = (0.10, 0.20, 0.30, 0.18, 0.15)
TERM_LOADING_ON_LOAN = 0.50

# money: (median, spread left to noise, loading on earning, on prudence, growth of the log with a decade of age over 40)
SAVINGS = (2_400.0, 1.00, 0.50, 0.65, 0.18)
CREDIT_LIMIT = (8_000.0, 0.50, 0.45, 0.25, 0.10)
# ratio: (median, spread left to noise, loading on earning, on prudence)
DEBT_TO_INCOME = (0.19, 0.48, -0.10, -0.22)
DEBT_TO_INCOME_LOG_BY_HOUSING = {"mortgage": 0.35, "own": -0.20, "rent": 0.00, "with_family": -0.30}
DEBT_TO_INCOME_LIMIT = 1.5

# counts: (loading on prudence, on earning, shares of 0, 1, 2, ...; the rest is the next count);
# open accounts count from 1, since everyone in the file has one
DELINQUENCIES = (-0.50, -0.15, (0.70, 0.14, 0.08, 0.04, 0.02, 0.012))
PUBLIC_RECORDS = (-0.45, -0.15, (0.930, 0.058))
INQUIRIES = (-0.35, 0.00, (0.42, 0.24, 0.15, 0.09, 0.05, 0.025, 0.015))
OPEN_ACCOUNTS = (
    0.00,
    0.35,
    (0.06, 0.10, 0.14, 0.15, 0.14, 0.12, 0.09, 0.07, 0.05, 0.03, 0.02, 0.01, 0.007, 0.005),
)
DEPENDANTS_SHARES = (0.48, 0.20, 0.20, 0.08, 0.03)
DEPENDANTS_BY_AGE = {18.0: -1.2, 28.0: 0.0, 40.0: 0.7, 52.0: 0.2, 65.0: -1.0}

# months: the exponent of a uniform share of the adult years (of all years for the address); larger is shorter
MONTHS_EMPLOYED_EXPONENT = 2.2
MONTHS_AT_ADDRESS_EXPONENT = 2.5
CREDIT_HISTORY_EXPONENT = 0.8

# utilisation: the logit is centre + spread * (a standard normal with these loadings) + move * shock
UTILISATION_CENTRE = -0.55
UTILISATION_SPREAD = 1.35
UTILISATION_LOADINGS = {"prudence": -0.55, "earning": -0.12}

# interest rate in percent, as a lender's grid would set it
RATE_BASE = 8.6
RATE_BY_PURPOSE = {
    "car": -1.2,
    "debt_consolidation": 0.0,
    "education": -0.6,
    "home_improvement": -0.8,
    "household_goods": 0.8,
    "medical": 0.4,
    "small_business": 1.6,
    "travel": 0.9,
}
RATE_PER_YEAR_OF_TERM = 0.25
RATE_PER_DELINQUENCY = 0.50
RATE_PER_PUBLIC_RECORD = 0.90
RATE_PER_UNIT_OF_UTILISATION = 2.0
RATE_NOISE = 1.7
RATE_RANGE = (2.5, 48.0)
