"""The commands of `lockgate release`: read, ask lockgate.ci.release to decide, write."""
