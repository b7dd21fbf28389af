"""Metrics of a scored sample and their intervals, in numpy."""
