"""The same as ``sntorch fit``."""

from sntorch.cli.fit import main

if __name__ == "__main__":
    main()
