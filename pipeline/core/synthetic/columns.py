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

# The only columns that `shock` may move; every other one keeps its values bit for bit.
SHOCKED_FEATURES = ("regional_unemployment", "interest_rate", "utilisation")

# The log-odds of default go this way in each of these, all else equal.
MONOTONE: dict[str, Literal[1, -1]] = {
    "income": -1,
    "debt_to_income": 1,
    "utilisation": 1,
    "delinquencies": 1,
}

FEATURE_TEXTS: dict[str, str] = {
    "income": "Income is low",
    "employment_type": "Type of employment",
    "months_employed": "Time in current employment is short",
    "housing": "Housing situation",
    "months_at_address": "Time at current address is short",
    "dependants": "Number of dependants",
    "region": "Region of residence",
    "regional_unemployment": "Unemployment in the region is high",
    "savings": "Savings are low",
    "loan_purpose": "Purpose of the loan",
    "loan_amount": "Loan amount is high",
    "term_months": "Loan term does not suit the purpose",
    "interest_rate": "Interest rate of the loan is high",
    "application_channel": "Channel of the application",
    "debt_to_income": "Existing debt payments are high for the income",
    "credit_limit": "Total credit limit is low",
    "utilisation": "Credit utilisation is high",
    "delinquencies": "Recent late payments",
    "public_records": "Bankruptcies or court judgments on record",
    "inquiries": "Many recent credit inquiries",
    "open_accounts": "Number of open credit accounts",
    "credit_history_months": "Credit history is short",
}
