"""The same as ``sntorch train``."""

from sntorch.cli.train import main

if __name__ == "__main__":
    main()
