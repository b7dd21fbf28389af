"""`evaluate`: the bundle scores the test rows."""

from lockgate.cli.evaluate import evaluate

if __name__ == "__main__":
    evaluate()
