"""The comment on a pull request: from a hostile artifact to exactly one comment."""
