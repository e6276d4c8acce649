"""The header of SNANA's formats (text and FITS) and the attributes of a light curve."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sntorch.data import provenance
from sntorch.data.io.reading import MISSING, NAN, Reading, number
from sntorch.data.light_curve import LightCurve
from sntorch.data.taxonomy import default_taxonomy

REDSHIFTS = (
    "REDSHIFT_HELIO",
    "HOSTGAL_SPECZ",
    "REDSHIFT_FINAL",
    "REDSHIFT_CMB",
    "SIM_REDSHIFT_HELIO",
    "SIM_REDSHIFT_CMB",
)
PEAKS = ("PEAKMJD", "SEARCH_PEAKMJD", "SIM_PEAKMJD")
TYPES = ("SNTYPE_NAME", "SNTYPE", "TYPE", "GENTYPE", "SIM_GENTYPE", "SIM_TYPE_NAME")
WORDS = ("SNID", "IAUC", "SURVEY", "FILTERS", "FIELD", "parent_model", "parent_object")
# Header words that are written from the attributes of a light curve, not from its meta.
FIXED = ("SURVEY", "SNID", "FILTERS", "NOBS", "NVAR", "VARLIST", "VARNAMES", "OBS", "END")
VALUES = ("MWEBV", "REDSHIFT_HELIO", "REDSHIFT_HELIO_ERR")
OWN = frozenset((*FIXED, *VALUES, *PEAKS[:2], *TYPES[:3]))


def attributes(header: dict[str, Any], reading: Reading, where: str) -> dict[str, Any]:
    """Attributes of ``LightCurve`` that an SNANA header gives; everything stays in ``meta``."""
    peak = next((header[k] for k in PEAKS if not np.isnan(number(header.get(k)))), NAN)
    name = next((k for k in REDSHIFTS if not np.isnan(number(header.get(k)))), "REDSHIFT_HELIO")
    kind = next((header[k] for k in TYPES if header.get(k) not in (None, "", "-9")), "")
    meta = {k: _meta(k, v) for k, v in header.items() if k not in ("NOBS", "NVAR", "END")}
    return {
        "redshift": number(header.get(name)),
        "redshift_err": number(header.get(f"{name}_ERR")),
        "mwebv": number(header.get("MWEBV")),
        "peak_mjd": number(peak),
        "type": reading.type_of(kind, "snana", where),
        "survey": reading.survey or _survey(header),
        "meta": {**meta, **provenance.entries(meta)},
    }


def _survey(header: dict[str, Any]) -> str:
    name = str(header.get("SURVEY", ""))
    return "" if name == "UNKNOWN" else name


def _meta(key: str, value: Any) -> Any:
    """A header's value as a number where it is one; a -9 that cannot be a value as NaN."""
    if isinstance(value, str) and key not in WORDS and is_number(value):
        value = int(value) if value.lstrip("+-").isdigit() else float(value)
    absent = key.startswith(("REDSHIFT", "HOSTGAL", "MWEBV")) or key.endswith("_ERR")
    return NAN if absent and value in MISSING else value


def is_number(word: str) -> bool:
    """Whether a word of the file is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def header_lines(lc: LightCurve, used: list[str]) -> list[str]:
    """Header of a light curve as SNANA text; ``used`` are its filters' names in the file."""
    code = default_taxonomy().code(lc.type, "snana") if lc.type else ""
    separator = "" if all(len(u) == 1 for u in used) else ","
    survey = lc.survey.replace(" ", "_") or "UNKNOWN"
    lines = [f"SURVEY: {survey}", f"SNID: {lc.object_id}", f"FILTERS: {separator.join(used)}"]
    if lc.type:
        lines += [f"SNTYPE: {code or -9}", f"SNTYPE_NAME: {lc.type}"]
    error = "" if np.isnan(lc.redshift_err) else f" +- {lc.redshift_err!r}"
    if not np.isnan(lc.redshift) or error:
        lines.append(f"REDSHIFT_HELIO: {-9.0 if np.isnan(lc.redshift) else lc.redshift!r}{error}")
    if not np.isnan(lc.mwebv):
        lines.append(f"MWEBV: {lc.mwebv!r}")
    if not np.isnan(lc.peak_mjd):
        lines.append(f"PEAKMJD: {lc.peak_mjd!r}")
    if provenance.is_marked(lc):
        lines.append(f"{provenance.MARK}: {int(provenance.is_synthetic(lc))}")
    return lines + [f"{k}: {v}" for k, v in lc.meta.items() if _is_word(k, v)]


def _is_word(key: str, value: Any) -> bool:
    """Whether an entry of ``meta`` fits SNANA's header: a keyword with one word."""
    if (
        key in (*OWN, provenance.MARK)
        or not re.fullmatch(r"[A-Za-z_][\w()]*", key)
        or isinstance(value, bool)
    ):
        return False
    if isinstance(value, int | float | np.number):
        return bool(np.isfinite(value))
    return isinstance(value, str) and re.fullmatch(r"[^\s#:][^\s:]*", value) is not None
