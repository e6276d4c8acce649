"""The command ``sntorch <verb> [overrides]``: find the verb's module and hand over."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

from sntorch.cli.entry import USER_ERROR, guarded

VERBS = {
    "train": "train any LightningModule: experiment=gan_ia, experiment=gan_foundation, …",
    "generate": "sample a trained generator: ckpt=… n=… seed=… out=…",
    "classify": "class probabilities of light curves: ckpt=… files=… out=probabilities.parquet",
    "simulate": "simulate a survey: simulation=des_ia n=350 seed=1 out=sample.parquet",
    "augment": "fill up rare classes with generated objects: files=train.parquet target=max out=…",
    "fit": "posteriors of SNe Ia with BayeSN: files=… model=bayesn/t21 sampler=nuts",
    "infer": "population of a magnitude-limited sample: files=SALT.FITRES selection.limit=17.5",
    "train-bayesn": "learn a BayeSN model or population: experiment=t21 files=… headers=…",
    "evaluate": "score a generator, a classifier, or inference: task=generator ckpt=…, task=sbi",
    "publish": "a trained model as a folder with a model card: ckpt=… metrics=… out=…",
    "data": "list, fetch and convert light curves: data list",
    "config": "copy the packaged configs to a folder, or print a composed one",
}


def main() -> None:
    """Entry point of the console script."""
    guarded(_main)


def _main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        sys.exit(0 if arguments else USER_ERROR)
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(version("sntorch"))
        return
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        sys.stderr.write(f"sntorch: no verb {verb!r}; the verbs are {', '.join(VERBS)}\n")
        sys.exit(USER_ERROR)
    _hand_over(verb, rest)


def usage() -> str:
    """The verbs, a line each."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(["usage: sntorch <verb> [overrides]", "", *lines])


def _hand_over(verb: str, rest: list[str]) -> None:
    module = importlib.import_module(f"sntorch.cli.{verb.replace('-', '_')}")
    # Lightning starts further ranks as ``python -m`` of __main__'s spec with sys.argv's overrides
    # (or as sys.argv[0] where there is no spec), so both have to name the verb's own module.
    sys.argv = [str(module.__file__), *rest]
    sys.modules["__main__"].__spec__ = module.__spec__
    # A console script, unlike python -m, does not look for modules where it was started: a class
    # of the user's own beside the command (model.generator._target_=mypkg.MyNet) has to be found.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    guarded(module.main)


if __name__ == "__main__":
    main()
