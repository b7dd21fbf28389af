"""Prometheus, Alertmanager and Grafana around the service: configuration, and what builds and tests it."""
