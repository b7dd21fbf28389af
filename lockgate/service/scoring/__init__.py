"""From the values of a row to its probability, decision and explanation."""
