"""The same as ``sntorch train-bayesn``."""

from sntorch.cli.train_bayesn import main

if __name__ == "__main__":
    main()
