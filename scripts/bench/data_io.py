"""Reading light curves: Foundation and DES-mini beside sncosmo, PLAsTiCC beside pandas.

The real files are looked for in ../shared/data (or $SNTORCH_SHARED/data).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from table import Row, main

from sntorch.data.io import read

SHARED = Path(
    os.environ.get("SNTORCH_SHARED", Path(__file__).resolve().parents[2].parent / "shared")
)
DATA = SHARED / "data"
FOUNDATION, PLASTICC, DES = DATA / "foundation_dr1", DATA / "plasticc", DATA / "des_mini"


def best(action: Callable[[], object], repeats: int) -> float:
    """Shortest of several wall-clock times, seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def row(what: str, limit: float | None, ours: float, other: float, name: str) -> Row:
    ratio = f"{other / ours:.1f}x as fast" if ours < other else f"{ours / other:.1f}x as slow"
    met = "-" if limit is None else "yes" if ours < limit else "no"
    target = "-" if limit is None else f"< {limit:g} s"
    return Row("ground", what, target, f"{ours:.2f} s", f"{other:.2f} s ({name})", ratio, met)


def foundation_with_sncosmo() -> None:
    import sncosmo

    for path in FOUNDATION.glob("Foundation_DR1_*.txt"):
        sncosmo.read_snana_ascii(str(path), default_tablename="OBS")


def plasticc_with_pandas() -> None:
    import pandas as pd

    rows = pd.read_csv(PLASTICC / "plasticc_train_lightcurves.csv.gz")
    pd.read_csv(PLASTICC / "plasticc_train_metadata.csv.gz")
    for _, group in rows.groupby("object_id"):
        group.to_numpy()


def des_with_sncosmo() -> None:
    import sncosmo

    for kind in ("Ia", "NONIa"):
        pair = (str(DES / f"SIM_{kind}-0001_{part}.FITS.gz") for part in ("HEAD", "PHOT"))
        sncosmo.read_snana_fits(*pair)


def rows(quick: bool) -> Iterable[Row]:
    """Rows of the table; the figures are wall-clock, imports not counted."""
    if not DATA.is_dir():
        command = "SNTORCH_SHARED=FOLDER python scripts/bench/data_io.py"
        yield Row("ground", "read real light curves", "< 1 s; < 15 s", command, met="run")
        return
    repeats = 2 if quick else 5
    read(FOUNDATION)
    foundation_with_sncosmo()
    ours, other = best(lambda: read(FOUNDATION), repeats), best(foundation_with_sncosmo, repeats)
    yield row("read 180 Foundation files", 1.0, ours, other, "sncosmo")
    ours = best(lambda: read(PLASTICC).to_batch(), repeats)
    other = best(plasticc_with_pandas, 1)
    what = "read PLAsTiCC (1.42 M rows) into a batch"
    yield row(what, 15.0, ours, other, "pandas: read and groupby, no checks, no batch")
    ours, other = best(lambda: read(DES), repeats), best(des_with_sncosmo, 1)
    yield row("read DES-mini (8,000 objects, 0.50 M rows)", None, ours, other, "sncosmo")


if __name__ == "__main__":
    main(rows)
