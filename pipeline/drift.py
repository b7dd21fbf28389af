"""`drift`: the current batch against the bundle's frozen profile."""

from lockgate.cli.drift import drift

if __name__ == "__main__":
    drift()
