"""GitHub's REST API, as the workflows use it."""
