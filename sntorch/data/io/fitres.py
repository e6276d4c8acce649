"""SNANA's FITRES table of fitted supernovae, whatever was fitted.

Reference: the SNANA manual, "Fit results" (Kessler et al. 2009, PASP 121, 1028): a line
``VARNAMES:`` with the columns, then a line ``SN:`` for each supernova; -9 stands for what is
missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch

if TYPE_CHECKING:
    from pandas import DataFrame

MISSING = -9
N_SNRMAX = 3
# Where a header has a column: the first of these words that it has.
HEADER = {
    "zHD": ("REDSHIFT_FINAL",),
    "zHDERR": ("REDSHIFT_FINAL_ERR",),
    "VPEC": ("VPEC",),
    "VPECERR": ("VPEC_ERR",),
    "HOST_LOGMASS": ("HOSTGAL_LOGMASS", "HOST_LOGMASS"),
    "HOST_LOGMASS_ERR": ("HOSTGAL_LOGMASS_ERR", "HOST_LOGMASS_ERR"),
}


def header_columns(batch: LightCurveBatch, headers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns that do not depend on the model, in SNANA's order.

    Args:
        batch: Observations of B supernovae.
        headers: Header words of each (``LightCurve.meta``): survey and type codes,
            Hubble-diagram redshift, peculiar velocity, host mass, and ``SIM_`` words, which
            become columns.
    """
    columns: dict[str, Any] = {
        "CID": [_one_word(name) for name in batch.object_id],
        "IDSURVEY": [_number(h, "IDSURVEY") for h in headers],
        "TYPE": [_number(h, "SNTYPE", "TYPE") for h in headers],
        "FIELD": [_one_word(h.get("FIELD", "")) for h in headers],
        "zHEL": _column(batch.redshift),
        "zHELERR": _column(batch.redshift_err),
    }
    before = {name: [_number(h, *keys) for h in headers] for name, keys in HEADER.items()}
    columns |= {k: before.pop(k) for k in ("zHD", "zHDERR", "VPEC", "VPECERR")}
    columns |= {"MWEBV": _column(batch.mwebv), **before}
    columns |= {f"SNRMAX{i + 1}": snr for i, snr in enumerate(_snr_max(batch))}
    return columns | {key: [_truth(h, key) for h in headers] for key in _truths(headers)}


def with_missing(columns: Mapping[str, Any]) -> DataFrame:
    """The columns as a table, with -9 for numbers that are not finite."""
    from pandas import DataFrame

    table = DataFrame(columns)
    numeric = table.select_dtypes("number").columns
    table[numeric] = table[numeric].replace([np.inf, -np.inf], np.nan).fillna(MISSING)
    return table


def write_fitres(
    table: DataFrame,
    path: str | Path,
    failures: Iterable[tuple[str, str]] = (),
    model: str = "BayeSN",
) -> None:
    """Write a table as SNANA text.

    Args:
        table: Columns and rows, -9 for what is missing.
        path: The file; it is replaced where it exists.
        failures: Names and reasons of supernovae to name in the comments.
        model: What was fitted.
    """
    lines = [f"# VERSION_PHOTOMETRY: fitted by sntorch ({model})", "# TABLE NAME: FITRES"]
    lines += [" ".join(f"# not fitted: {name}: {why}".split()) for name, why in failures]
    lines += ["#", "VARNAMES: " + " ".join(table.columns), "#"]
    for row in table.itertuples(index=False):
        words = (_word(name, value) for name, value in zip(table.columns, row, strict=True))
        lines.append("SN: " + " ".join(words))
    with atomic_write(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _column(tensor: Any) -> np.ndarray:
    return tensor.double().cpu().numpy()


def _snr_max(batch: LightCurveBatch) -> np.ndarray:
    """Largest signal-to-noise ratios of an object, of different bands, shape (3, B)."""
    snr = np.where(batch.mask.cpu(), (batch.flux / batch.flux_err).double().cpu(), -np.inf)
    band = batch.band.cpu().numpy()
    best = [
        np.where(band == f, snr, -np.inf).max(1, initial=-np.inf) for f in range(len(batch.bands))
    ]
    best += [np.full(len(batch), -np.inf)] * N_SNRMAX
    return -np.sort(-np.stack(best), axis=0)[:N_SNRMAX]


def _number(header: Mapping[str, Any], *keys: str) -> float:
    return _finite(next((header[key] for key in keys if key in header), MISSING))


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return MISSING
    return number if np.isfinite(number) else MISSING


def _truths(headers: Sequence[Mapping[str, Any]]) -> list[str]:
    """``SIM_`` words of all headers, in the order in which they come."""
    keys = {key: None for header in headers for key in header}
    return [key for key in keys if re.fullmatch(r"SIM_[\w()]+", key)]


def _truth(header: Mapping[str, Any], key: str) -> Any:
    value = header.get(key)
    return _one_word(value) if isinstance(value, str) else _finite(value)


def _one_word(value: Any) -> str:
    return re.sub(r"\s+", "_", str(value).strip()) or "NULL"


def _word(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.4f}" if name.endswith("MJD") else f"{value:.6g}"
