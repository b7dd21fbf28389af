"""Register the bundle that passed its gate, as `lockgate register` does."""

from lockgate.cli.register import register

if __name__ == "__main__":
    register()
