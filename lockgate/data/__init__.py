"""Reading, typing, checking and splitting tables."""
