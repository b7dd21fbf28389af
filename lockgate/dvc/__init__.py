"""A project under DVC: its stages, reproducing them, and whether its lock file is fresh."""
