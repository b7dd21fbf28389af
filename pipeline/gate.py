"""`gate`: the verdict on the predictions in hand."""

from lockgate.cli.gate import gate

if __name__ == "__main__":
    gate()
