"""The service: one bundle behind HTTP, watched by its own counters."""
