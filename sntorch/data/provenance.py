"""Where the objects of an augmented sample come from, kept in ``LightCurve.meta``.

A real object of such a sample has ``synthetic`` false and nothing else. ``parent_object`` names
what a synthetic one was made from; several names have commas or semicolons between them. Parquet
and CSV keep the entries as columns, ECSV in the header of each object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sntorch.data.light_curve import LightCurve

# Name and type of each entry.
PROVENANCE: dict[str, type] = {
    "synthetic": bool,
    "parent_model": str,
    "parent_object": str,
    "seed": int,
}
MARK = "synthetic"


def with_provenance(light_curve: LightCurve, **entries: Any) -> LightCurve:
    """The light curve with these entries of ``PROVENANCE`` in place of any that it had."""
    return replace(light_curve, meta={**without(light_curve.meta), **entries})


def without(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A header without provenance."""
    return {key: value for key, value in meta.items() if key not in PROVENANCE}


def is_marked(light_curve: LightCurve) -> bool:
    """Whether a light curve says if it is synthetic."""
    return MARK in light_curve.meta


def is_synthetic(light_curve: LightCurve) -> bool:
    """Whether a light curve is known to be generated."""
    return bool(light_curve.meta.get(MARK, False))


def parents(light_curve: LightCurve) -> frozenset[str]:
    """Names of the objects that a light curve was made from, none where it does not say."""
    whole = str(light_curve.meta.get("parent_object") or "").strip()
    # The whole entry, too: a name of one object may have a comma in it.
    names = {whole, *(name.strip() for name in re.split("[,;]", whole))}
    return frozenset(names - {""})


def columns(light_curves: Sequence[LightCurve]) -> dict[str, list[Any]]:
    """Provenance by name, one entry an object, None where an object has none."""
    return {
        name: [_typed(lc.meta.get(name), kind) for lc in light_curves]
        for name, kind in PROVENANCE.items()
    }


def entries(row: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance that one row of a table states, empty where the table is not marked."""
    if row.get(MARK) is None:
        return {}
    return {
        name: _typed(row[name], kind)
        for name, kind in PROVENANCE.items()
        if row.get(name) not in (None, "") and row[name] == row[name]
    }


def any_marked(light_curves: Iterable[LightCurve]) -> bool:
    """Whether some of the light curves say if they are synthetic."""
    return any(is_marked(lc) for lc in light_curves)


def _typed(value: Any, kind: type) -> Any:
    return None if value is None else kind(value)
