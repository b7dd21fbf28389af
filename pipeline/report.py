"""`report`: one page for a pull request and one for a browser."""

from lockgate.cli.report import report

if __name__ == "__main__":
    report()
