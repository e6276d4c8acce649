"""The same as ``sntorch classify``."""

from sntorch.cli.classify import main

if __name__ == "__main__":
    main()
