"""What `scripts/monitoring` generates: the unit tests of the PSI rules and the Grafana dashboard."""
