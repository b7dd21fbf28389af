"""A retrain from its inputs to a pull request: overrides, what may be proposed, the branch, the words."""
