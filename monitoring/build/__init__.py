"""What is made by `scripts/monitoring`: the unit tests of the PSI rules and the Grafana dashboard."""
