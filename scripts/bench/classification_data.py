"""What classifiers are trained and scored on: DES-mini with its given split, PLAsTiCC in folds.

Data lie below $SNTORCH_SHARED (../shared by default).
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from sntorch.classification.early import until
from sntorch.data.batch import LightCurveBatch
from sntorch.data.classes import GroupClasses
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.io import read
from sntorch.data.light_curve import LightCurves

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
DES_BANDS = ("desg", "desr", "desi", "desz")
LSST_BANDS = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")
PLASTICC_SN = ("Ia", "Ia-91bg", "Iax", "II", "Ibc", "SLSN-I")
N_FOLDS = 5
# The split of SuperNNova's run, in its words.
SPLIT = {
    "path": str(SHARED / "reference" / "supernnova" / "des_mini_splits.csv.gz"),
    "object_id": "SNID",
    "part": "dataset_photometry_2classes",
    "names": {"train": [0], "val": [1], "test": [2]},
}
# Host redshifts in PLAsTiCC's metadata.
PHOTO_Z = ("hostgal_photoz", "hostgal_photoz_err")


@cache
def des_mini() -> LightCurves:
    """The 8,000 simulated SNe."""
    return read(SHARED / "data" / "des_mini")


@cache
def plasticc(spectroscopic: bool = False) -> LightCurves:
    """The 7,848 objects of the training set, without spectroscopic redshifts unless asked for."""
    sample = read(SHARED / "data" / "plasticc")
    return sample if spectroscopic else sample.map(lambda lc: replace(lc, redshift=float("nan")))


def des_mini_data(seed: int, batch_size: int = 128) -> LightCurveDataModule:
    """SNe Ia against the rest, without redshifts, in the given split."""
    data = LightCurveDataModule(
        des_mini(),
        bands=DES_BANDS,
        split_file=SPLIT,
        seed=seed,
        batch_size=batch_size,
        by_length=True,
        transform=GroupClasses({"Ia": ["Ia"], "not Ia": ["*"]}),
    )
    sizes = {part: len(names) for part, names in data.names().items()}
    if sizes != {"train": 6400, "val": 800, "test": 800}:
        raise SystemExit(f"the given split has {sizes}, not 6400, 800 and 800 objects")
    return data


def plasticc_data(
    fold: int,
    seed: int,
    batch_size: int = 128,
    supernovae: bool = False,
    spectroscopic: bool = False,
) -> LightCurveDataModule:
    """All classes, or supernovae alone, with the host's photometric redshift, in folds."""
    sample = plasticc(spectroscopic)
    if supernovae:
        sample = sample.filter(lambda lc: lc.type in PLASTICC_SN)
    return LightCurveDataModule(
        sample,
        bands=LSST_BANDS,
        host=PHOTO_Z,
        fold=fold,
        n_folds=N_FOLDS,
        split=(0.9, 0.1, 0.0),
        split_seed=0,
        seed=seed,
        batch_size=batch_size,
        by_length=True,
    )


def observed_until(batch: LightCurveBatch, phase: float) -> LightCurveBatch:
    """Objects with what was observed up to a phase, days from the peak; those without, left out.

    The time of the peak is the simulation's: it says when a score is taken, and nothing is told
    to a network.
    """
    early = until(batch, phase, "peak")
    return early[early.n_observations > 0].trim()
