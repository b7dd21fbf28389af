"""What /drift shows: PSI since this model began to serve, and the last nightly run."""
