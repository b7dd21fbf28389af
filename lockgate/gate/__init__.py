"""Predictions, checks and the verdict."""
