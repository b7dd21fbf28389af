"""Signed verdicts: who vouches that a model passed, for those who trust neither the registry nor the disk it came from."""
