"""A project under DVC and git: reproducing it, its lock file, and an earlier commit's model."""
