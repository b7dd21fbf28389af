"""MLflow: tracking, versions and aliases, and where a bundle came from."""
