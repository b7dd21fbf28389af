"""`python -m lockgate`: the same as the console script `lockgate`."""

from lockgate.cli.main import main

main(prog_name="lockgate")
