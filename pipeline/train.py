"""`train`: training rows become the bundle models/."""

from lockgate.cli.train import train

if __name__ == "__main__":
    train()
