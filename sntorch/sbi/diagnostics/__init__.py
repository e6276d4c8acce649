"""What a posterior has to show before it is believed."""

from sntorch.sbi.diagnostics.calibration import LEVELS, Calibration, calibrate, floors
from sntorch.sbi.diagnostics.comparison import PosteriorComparison, compare
from sntorch.sbi.diagnostics.evidence import mean_ratio
from sntorch.sbi.diagnostics.local_test import LocalTest, local_test
from sntorch.sbi.diagnostics.misspecification import (
    Misspecification,
    each_misspecification,
    misspecification,
)
from sntorch.sbi.diagnostics.predictive import PredictiveCheck, predictive_check

__all__ = [
    "LEVELS",
    "Calibration",
    "LocalTest",
    "Misspecification",
    "PosteriorComparison",
    "PredictiveCheck",
    "calibrate",
    "compare",
    "each_misspecification",
    "floors",
    "local_test",
    "mean_ratio",
    "misspecification",
    "predictive_check",
]
