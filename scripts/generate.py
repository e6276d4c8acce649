"""The same as ``sntorch generate``."""

from sntorch.cli.generate import main

if __name__ == "__main__":
    main()
