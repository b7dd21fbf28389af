"""The server of `lockgate serve`: listener, connections with their limits, the fast path, and workers with their stop."""
