"""Named supernovae of a named data set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sntorch.data.catalog import load
from sntorch.data.light_curve import LightCurves
from sntorch.errors import DataError


def load_objects(
    name: str,
    objects: Iterable[str],
    source: str | Path | None = None,
    survey: str = "",
    **read_options: Any,
) -> LightCurves:
    """The named objects of a data set, in the order of its files.

    Args:
        name: Name of the data set.
        objects: Names of the objects.
        source: Where a copy lies; default: fetch it first.
        survey: Only light curves of this survey, where several saw the same objects.
        **read_options: As in ``sntorch.read``.

    Raises:
        DataError: Objects that are not there.
    """
    wanted = {str(name) for name in objects}
    found = load(name, source, **read_options).filter(
        lambda lc: lc.object_id in wanted and survey in ("", lc.survey)
    )
    missing = sorted(wanted - {lc.object_id for lc in found})
    if missing:
        of = f" of {survey}" if survey else ""
        where = f"{source}: " if source else ""
        raise DataError(f"{where}no light curve{of} in {name} for {', '.join(missing)}")
    return found
