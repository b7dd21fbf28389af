"""The kit's version; its only home. Releases of the kit are tagged with it."""

__version__ = "0.1.0"
