"""The kinds of check, one module each, and `registry`, which lists them."""
