"""The result of SALT fits as a table with the columns of SNANA's FITRES files.

mB is the Bessell B magnitude (Vega) of x0 at peak, with the error of x0 alone. x0 is sncosmo's:
SNANA's is 10^{0.4 · 0.27} times as large (the 0.27 mag of its ``MAG_OFFSET``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch
from sntorch.data.io.fitres import header_columns, with_missing
from sntorch.data.magnitudes import POGSON
from sntorch.physics.salt.bands import rest_blue_magnitude
from sntorch.physics.salt.photometry import T0, X0, X1, C
from sntorch.physics.salt.surfaces import SALTSurfaces
from sntorch.simulation.salt.result import SALTFit

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = {T0: "PKMJD", X1: "x1", C: "c", X0: "x0"}
PAIRS = {(X1, C): "x1_c", (X1, X0): "x1_x0", (C, X0): "c_x0"}
PAIRS |= {(T0, X0): "PKMJD_x0", (T0, X1): "PKMJD_x1", (T0, C): "PKMJD_c"}


def salt_table(
    fit: SALTFit,
    batch: LightCurveBatch,
    meta: Sequence[Mapping[str, Any]],
    surfaces: SALTSurfaces,
) -> DataFrame:
    """One row for each supernova that was fitted, in the order of the batch.

    Args:
        fit: Of the B supernovae of ``batch``.
        batch: Their observations.
        meta: Header words of each (``LightCurve.meta``).
        surfaces: The model.
    """
    fit = fit.to("cpu")
    kept = (fit.reason == 0).numpy()
    columns = header_columns(batch, meta)
    columns |= fitted_columns(fit, rest_blue_magnitude(surfaces))
    columns |= {"NFIT": fit.n_fits.numpy(), "CONVERGED": fit.converged.long().numpy()}
    dropped = dropped_bands(fit, batch)
    columns |= {"NBAND_DROPPED": [len(names) for names in dropped]}
    columns |= {"BAND_DROPPED": [",".join(names) or "NULL" for names in dropped]}
    return with_missing({k: np.asarray(v)[kept] for k, v in columns.items()})


def fitted_columns(fit: SALTFit, zero: float) -> dict[str, Any]:
    """Parameters, errors, covariances and goodness of fit, shape (B,) each.

    Args:
        fit: Of B supernovae.
        zero: mB of x0 = 1.
    """
    theta, errors = fit.parameters.detach().numpy(), fit.errors.numpy()
    columns = {}
    for i in (T0, X1, C):
        columns |= {NAMES[i]: theta[:, i], f"{NAMES[i]}ERR": errors[:, i]}
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["mB"] = zero - 2.5 * np.log10(theta[:, X0])
    columns["mBERR"] = POGSON * errors[:, X0] / theta[:, X0]
    columns |= {NAMES[X0]: theta[:, X0], f"{NAMES[X0]}ERR": errors[:, X0]}
    covariance = fit.covariance.numpy()
    columns |= {f"COV_{name}": covariance[:, i, j] for (i, j), name in PAIRS.items()}
    columns |= {"NDOF": fit.ndof.numpy(), "FITCHI2": fit.chi2.numpy()}
    return columns | {"FITPROB": fit.probability.numpy()}


def dropped_bands(fit: SALTFit, batch: LightCurveBatch) -> list[tuple[str, ...]]:
    """Of each supernova, the bands with observations that the model does not cover."""
    of_band = [((batch.band == f) & batch.mask).any(1) for f in range(len(batch.bands))]
    seen = torch.stack(of_band, 1).cpu()
    gone = (seen & ~fit.covered).tolist()
    return [tuple(b for b, out in zip(batch.bands, row, strict=True) if out) for row in gone]


def write_tables(table: DataFrame, folder: Path, name: str) -> None:
    """Write ``<name>.ecsv`` and ``<name>.parquet``; nothing is half-written."""
    from astropy.table import Table

    with atomic_write(folder / f"{name}.ecsv") as draft:
        Table.from_pandas(table).write(draft, format="ascii.ecsv", overwrite=True)
    with atomic_write(folder / f"{name}.parquet") as draft:
        table.to_parquet(draft, index=False)
