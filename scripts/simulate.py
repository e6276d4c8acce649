"""The same as ``sntorch simulate``."""

from sntorch.cli.simulate import main

if __name__ == "__main__":
    main()
