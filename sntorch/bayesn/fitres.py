"""What BayeSN found, as SNANA's FITRES table (``data.io.fitres``).

Names of the fitted columns are those of the reference implementation of BayeSN, which
has no R_V and no time of peak; theirs are SNANA's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.data.batch import LightCurveBatch
from sntorch.data.io.fitres import header_columns, with_missing, write_fitres
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame

FITTED = {
    "MU_LCFIT": "mu_mean",
    "MUERR_LCFIT": "mu_sd",
    "THETA": "theta_mean",
    "THETAERR": "theta_sd",
    "AV": "av_mean",
    "AVERR": "av_sd",
    "RV": "rv_mean",
    "RVERR": "rv_sd",
    "PKMJD": "peak_mjd_mean",
    "PKMJDERR": "peak_mjd_sd",
}
RHATS = ("ds", "theta", "av", "rv", "tmax", "redshift")


def fitres_table(
    summary: DataFrame,
    batch: LightCurveBatch,
    meta: Sequence[Mapping[str, Any]] | None = None,
) -> DataFrame:
    """The FITRES table, with -9 where something is missing.

    Args:
        summary: ``Posterior.summary()`` of the B fitted supernovae.
        batch: Their observations.
        meta: Header words of each (``LightCurve.meta``): survey and type codes, Hubble-diagram
            redshift, peculiar velocity, host mass, and ``SIM_`` words, which become columns.

    Raises:
        ConfigError: Another number of headers than of supernovae.
    """
    n = len(batch)
    headers = [{} for _ in range(n)] if meta is None else list(meta)
    if len(headers) != n or len(summary) != n:
        raise ConfigError(
            f"{n} supernovae, {len(summary)} rows of a summary and {len(headers)} headers; "
            "these must be as many"
        )
    columns = header_columns(batch, headers)
    columns |= {name: summary[source].to_numpy() for name, source in FITTED.items()}
    rhat = summary[[f"{p}_rhat" for p in RHATS if f"{p}_rhat" in summary]]
    columns |= {"MEANRHAT": rhat.mean(axis=1).to_numpy(), "MAXRHAT": rhat.max(axis=1).to_numpy()}
    return with_missing(columns)


def write(table: DataFrame, path: str | Path, failures: DataFrame | None = None) -> None:
    """Write a table as SNANA text.

    Args:
        table: Of ``fitres_table``.
        path: The file; it is replaced where it exists.
        failures: ``object_id`` and ``reason`` of supernovae to name in the comments.
    """
    rows = () if failures is None else (failures["object_id"], failures["reason"])
    write_fitres(table, path, zip(*rows, strict=True))
