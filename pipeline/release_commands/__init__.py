"""The commands of `lockgate release`: read, ask pipeline.core.release to decide, write."""
