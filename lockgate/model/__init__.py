"""Training and scoring the model, and the bundle it is shipped in."""
