"""Whose thresholds judge a change: the base commit's, and never below a platform's minimums."""
