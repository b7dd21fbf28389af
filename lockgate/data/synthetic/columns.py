"""What the synthetic credit data holds: its columns, their kinds, and how a lender words each as an adverse reason."""

from __future__ import annotations

from typing import Literal

Kind = Literal["numeric", "categorical"]

TARGET = "default"
AUDIT_COLUMNS = ("sex", "age_band")

SYNTHETIC_KINDS: dict[str, Kind] = {
    "income": "numeric",
    "employment_type": "categorical",
    "months_employed": "numeric",
    "housing": "categorical",
    "months_at_address": "numeric",
    "dependants": "numeric",
    "region": "categorical",
    "regional_unemployment": "numeric",
    "savings": "numeric",
    "loan_purpose": "categorical",
    "loan_amount": "numeric",
    "term_months": "numeric",
    "interest_rate": "numeric",
    "application_channel": "categorical",
    "debt_to_income": "numeric",
    "credit_limit": "numeric",
    "utilisation": "numeric",
    "delinquencies": "numeric",
    "public_records": "numeric",
    "inquiries": "numeric",
    "open_accounts": "numeric",
    "credit_history_months": "numeric",
}

# The log-odds of default go this way in each of these, all else equal.
MONOTONE: dict[str, Literal[1, -1]] = {
    "income": -1,
    "debt_to_income": 1,
    "utilisation": 1,
    "delinquencies": 1,
}

# A feature can speak against an applicant at any of its values, since effects depend on the other columns: utilisation of
# a third weighs little alone and much beside late payments. So no text says in which direction; each is true whenever
# the feature contributed.
FEATURE_TEXTS: dict[str, str] = {
    "income": "Level of income",
    "employment_type": "Type of employment",
    "months_employed": "Length of current employment",
    "housing": "Housing situation",
    "months_at_address": "Length of time at the current address",
    "dependants": "Number of dependants",
    "region": "Region of residence",
    "regional_unemployment": "Level of unemployment in the region",
    "savings": "Level of savings",
    "loan_purpose": "Purpose of the loan",
    "loan_amount": "Amount of the loan",
    "term_months": "Term of the loan",
    "interest_rate": "Interest rate of the loan",
    "application_channel": "Channel of the application",
    "debt_to_income": "Existing debt payments in relation to income",
    "credit_limit": "Total of existing credit limits",
    "utilisation": "Share of existing credit limits in use",
    "delinquencies": "Number of recent late payments",
    "public_records": "Number of bankruptcies or court judgments on record",
    "inquiries": "Number of recent credit inquiries",
    "open_accounts": "Number of open credit accounts",
    "credit_history_months": "Length of credit history",
}
