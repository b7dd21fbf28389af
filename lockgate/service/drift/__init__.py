"""What /drift shows: PSI since the service started, and the last nightly run."""
