"""Every packaged distribution, population, cut and survey keeps the contract of its kind."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from simulation_toy import BANDS, Parabola, toy_population, toy_survey

import sntorch.simulation.selection as cuts
from sntorch.classification.selection import ClassifierCut
from sntorch.data.light_curve import LightCurve
from sntorch.sbi.salt_simulator import TrippPopulation
from sntorch.simulation import (
    Constant,
    Cut,
    DetectionsAroundPeak,
    DetectionsInBands,
    Distribution,
    EfficiencyTable,
    Exponential,
    FunctionCut,
    IndependentPopulation,
    LogNormal,
    MagnitudeLimit,
    MinDetections,
    Normal,
    PeakMagnitude,
    PhaseCoverage,
    Population,
    ResampledSurvey,
    Seasons,
    SpectroscopicEfficiency,
    SplitNormal,
    Survey,
    Uniform,
    Visits,
    VolumetricRedshift,
    Weather,
    WithinRange,
)
from sntorch.testing import (
    CutContract,
    DistributionContract,
    PopulationContract,
    SurveyContract,
)

LAWS = {
    "Constant": Constant(2.0),
    "Uniform": Uniform(-1, 3),
    "Exponential": Exponential(0.3),
    "Normal": Normal(-19.3, 0.1),
    "LowerTail": Normal(2.7, 0.7, low=1.2),
    "UpperTail": Normal(0.0, 1.0, low=2.0, high=3.0),
    "SplitNormal": SplitNormal(0.97, 1.47, 0.22),
    "LogNormal": LogNormal(0.03, 0.5, high=0.5),
    "Volumetric": VolumetricRedshift(0.02, 1.2),
}
CUTS = {
    "Together": MinDetections(5),
    "PerBand": MinDetections(3, 5.0, ("desg", "desi"), per_band=True),
    "Phase": PhaseCoverage(-5, 5),
    "Both": MinDetections(5) & PhaseCoverage(-5, 5),
    "Not": ~PhaseCoverage(-5, 5),
    "Nights": MinDetections(4, distinct_nights=True),
    "InBands": DetectionsInBands(2, 3),
    "AroundPeak": DetectionsAroundPeak(2, 3, distinct_nights=True),
    "Limit": MagnitudeLimit(21.0, 0.3, PeakMagnitude("desr")),
    "Range": WithinRange("redshift", 0.05, 0.2),
    "Spectrum": SpectroscopicEfficiency(PeakMagnitude("desi"), s2=50.0),
    "Table": EfficiencyTable("redshift", (0.0, 0.1, 0.2), (0.9, 0.5, 0.0)),
    "Trigger": cuts.Trigger({"desr": EfficiencyTable("snr", (0.0, 10.0), (0.0, 1.0))}, 2),
    "Classifier": ClassifierCut("des-supernnova"),
    "Function": FunctionCut(lambda batch, truth: truth["redshift"] < 0.1, "near"),
}
# Of data that are not everywhere.
FITTED = {"SALTFit": cuts.SALTFitCut(x1=20.0, c=1.4, x1_err=20.0, least_probability=0.0)}
POPULATIONS = {
    "Uniform": toy_population(),
    "Volumetric": IndependentPopulation(
        "Ia", VolumetricRedshift(0.01, 0.2), {"magnitude": Normal(-19, 0.1)}, LogNormal(0.03, 0.5)
    ),
    "Tripp": TrippPopulation(
        torch.tensor([[-19.3, 0.14, 3.0, 0.1, 0.0, 1.0, 0.0, 0.1]], dtype=torch.float64),
        Uniform(0.05, 0.3),
    ),
}


def history(seed):
    """A real object's observations."""
    rng = np.random.default_rng(seed)
    flux = 10 ** rng.uniform(1.5, 4.5, 40)
    time = 57000 + np.sort(rng.uniform(-20, 60, 40))
    columns = (time, flux, np.sqrt(400 + 2 * flux), rng.choice(BANDS, 40))
    return LightCurve.from_arrays(f"sn{seed}", *columns, peak_mjd=57000.0, survey="X")


SURVEYS = {
    "Parametric": toy_survey(),
    "Elaborate": toy_survey(
        visits=[Visits(BANDS, 4.0, 1.0, 0.1, 0.1, minutes=5)],
        weather=Weather(0.1, 0.1),
        n_fields=4,
        years=3,
        seasons=Seasons(200.0),
        first_phase=Normal(-5.0, 3.0),
    ),
    "Resampled": ResampledSurvey([history(seed) for seed in range(5)], drop=0.1),
}


def contracts(contract, members):
    """One class of tests a member."""
    return {
        f"Test{contract.__name__}{name}": type(
            f"Test{name}", (contract,), {"make": lambda self, one=one: one}
        )
        for name, one in members.items()
    }


class WithParabola(PopulationContract):
    def make_source(self):
        return Parabola()


class WithSALT(CutContract):
    @pytest.fixture(autouse=True)
    def _data(self, shared):
        pytest.importorskip("sncosmo")


globals().update(contracts(DistributionContract, LAWS))
globals().update(contracts(CutContract, CUTS))
globals().update(contracts(WithSALT, FITTED))
globals().update(contracts(WithParabola, POPULATIONS))
globals().update(contracts(SurveyContract, SURVEYS))


def packaged(kind):
    """Subclasses that a user can choose, wherever in the package they are."""
    found, waiting = set(), [kind]
    while waiting:
        waiting += waiting.pop().__subclasses__()
        found |= {one for one in waiting if one.__module__.startswith("sntorch.")}
    return {one for one in found if not inspect.isabstract(one)}


@pytest.mark.parametrize(
    ("kind", "members"),
    [(Distribution, LAWS), (Cut, CUTS | FITTED), (Population, POPULATIONS), (Survey, SURVEYS)],
)
def test_no_member_is_left_out(kind, members):
    assert packaged(kind) == {type(one) for one in members.values()}
    assert packaged(Cut) >= {cuts.Both, cuts.Not}
