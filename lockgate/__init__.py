"""Lockgate: data to a gated, registered and watched model, one thin command a module."""
