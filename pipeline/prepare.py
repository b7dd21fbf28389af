"""`prepare`: the source becomes train, test and current rows with one schema."""

from lockgate.cli.prepare import prepare

if __name__ == "__main__":
    prepare()
