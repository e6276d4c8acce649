"""Samples of summarised supernovae from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sntorch.data.io.fitres_reader import read_fitres
from sntorch.data.magnitudes import LN_PER_MAG
from sntorch.errors import DataError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.tripp import TrippSample
from sntorch.sbi.tripp_cuts import FitCuts

COLUMNS = (
    *("zHD", "zHDERR", "mB", "mBERR", "x0", "x1", "x1ERR", "c", "cERR"),
    *("COV_x1_c", "COV_x1_x0", "COV_c_x0"),
)
# Of a distance modulus by a relative error of the redshift.
PER_REDSHIFT = 2 / LN_PER_MAG


def read_tripp(path: str | Path, cosmology: Cosmology, quality: bool = False) -> TrippSample:
    """The supernovae of a SNANA FITRES table of SALT fits.

    Covariances with x0 become those with m = const - 2.5 log10 x0; the error of the Hubble-diagram
    redshift (peculiar velocities included) is put into that of the magnitude.

    Args:
        path: The file.
        cosmology: Gives distances.
        quality: Whether only |x1| < 3 and |c| < 0.3 are taken: a selection, ``FitCuts``.

    Raises:
        DataError: A table without what a fit leaves, or a redshift that is not positive.
    """
    names, column = read_fitres(path, COLUMNS)
    wrong = np.flatnonzero(~(column["zHD"] > 0))
    if len(wrong):
        i = int(wrong[0])
        raise DataError(f"{path}: redshift of {names[i]} is {column['zHD'][i]:g}; > 0 is accepted")
    kept = np.full(len(names), True)
    if quality:
        fits = np.stack([column[name] for name in ("mB", "x1", "c")], -1)
        kept = FitCuts().within(torch.from_numpy(fits)).numpy()
    column = {name: values[kept] for name, values in column.items()}
    z = torch.from_numpy(column["zHD"])
    data = np.stack([column["mB"], column["x1"], column["c"]], -1)
    slope = -1 / (LN_PER_MAG * column["x0"])
    covariance = np.empty((len(data), 3, 3))
    covariance[:, 0, 0] = (
        column["mBERR"] ** 2 + (PER_REDSHIFT * column["zHDERR"] / column["zHD"]) ** 2
    )
    covariance[:, 1, 1], covariance[:, 2, 2] = column["x1ERR"] ** 2, column["cERR"] ** 2
    covariance[:, 0, 1] = covariance[:, 1, 0] = slope * column["COV_x1_x0"]
    covariance[:, 0, 2] = covariance[:, 2, 0] = slope * column["COV_c_x0"]
    covariance[:, 1, 2] = covariance[:, 2, 1] = column["COV_x1_c"]
    return TrippSample(
        redshift=z,
        mu=cosmology.distmod(z),
        data=torch.from_numpy(data)[None],
        covariance=torch.from_numpy(covariance),
        names=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
    )
