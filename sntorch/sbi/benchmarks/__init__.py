"""Selected samples of which the posterior is known, and the comparison of methods on them."""

from sntorch.sbi.benchmarks.comparison import Comparison, MethodScore, compare_methods
from sntorch.sbi.benchmarks.light_curve_simulator import LightCurveSimulator
from sntorch.sbi.benchmarks.light_curves import LightCurveBenchmark
from sntorch.sbi.benchmarks.network_checks import (
    CheckSettings,
    NetworkChecks,
    check_networks,
)
from sntorch.sbi.benchmarks.protocol import Benchmark
from sntorch.sbi.benchmarks.summaries import FLOWSN_FIDUCIAL, SummaryBenchmark

__all__ = [
    "FLOWSN_FIDUCIAL",
    "Benchmark",
    "CheckSettings",
    "Comparison",
    "LightCurveBenchmark",
    "LightCurveSimulator",
    "MethodScore",
    "NetworkChecks",
    "SummaryBenchmark",
    "check_networks",
    "compare_methods",
]
