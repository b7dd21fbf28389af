"""`register`: the bundle that passed its gate becomes a version in the registry."""

from lockgate.cli.register import register

if __name__ == "__main__":
    register()
