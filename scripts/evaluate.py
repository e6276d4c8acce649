"""The same as ``sntorch evaluate``."""

from sntorch.cli.evaluate import main

if __name__ == "__main__":
    main()
