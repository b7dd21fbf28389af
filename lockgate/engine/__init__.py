"""Where the work on large tables is done: by threads here, or on the workers of a Dask scheduler; the numbers are the same."""
