"""The same as ``sntorch augment``."""

from sntorch.cli.augment import main

if __name__ == "__main__":
    main()
