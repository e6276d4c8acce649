"""The 157 Foundation SNe of Thorp et al. (2021), as several benchmarks fit them."""

from __future__ import annotations

import os
from pathlib import Path

from sntorch import read
from sntorch.bayesn import SEDModel
from sntorch.bayesn.preparation import Prepared, find_header, prepare, read_headers

SHARED = Path(os.environ.get("SNTORCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "bayesn"
FOUNDATION = SHARED / "data" / "foundation_dr1"


def t21_sample(sed: SEDModel) -> Prepared:
    """The sample with the times of peak and redshifts of its own table, by name."""
    headers = read_headers(FOUNDATION / "T21_sample.txt")
    curves = [lc for lc in read(FOUNDATION) if find_header(headers, lc)]
    return prepare(sorted(curves, key=lambda lc: lc.object_id), sed, headers=headers)
