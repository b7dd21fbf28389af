"""What Prometheus reads: the counters, in memory that workers share, and the text of /metrics."""
