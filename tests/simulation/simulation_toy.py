"""A source whose light curves are known in closed form, and a small survey."""

from types import MappingProxyType

import torch

from sntorch.simulation import (
    BandDepth,
    IndependentPopulation,
    Normal,
    ParametricSurvey,
    Source,
    Uniform,
    Visits,
)

BANDS = ("desg", "desr", "desi")


class Parabola(Source):
    """Magnitude grows with the square of phase; dust is 3.1 mwebv in g and less in the others."""

    parameters = ("magnitude",)
    phase_range = (-15.0, 45.0)
    defaults = MappingProxyType({"magnitude": Normal(-19.0, 0.3)})

    def flux(self, phase, band, bands, parameters):
        dust = 3.1 * parameters["mwebv"][:, None] / (1 + band)
        m = (parameters["magnitude"] + parameters["distmod"])[:, None] + (phase / 20) ** 2 + dust
        return 10 ** (0.4 * (27.5 - m))

    def covers(self, bands, redshift):
        reach = torch.tensor([0.5 if name == "desg" else 9.0 for name in bands])
        return redshift[:, None] < reach


def toy_survey(**changes):
    settings = {
        "name": "toy",
        "depths": {name: BandDepth(23.0, 31.0) for name in BANDS},
        "visits": [Visits(BANDS, 5.0, jitter=1.0, band_loss=0.1)],
        "phases": (-15, 45),
    }
    return ParametricSurvey(**{**settings, **changes})


def toy_population(low=0.05, high=0.3, name="Ia"):
    return IndependentPopulation(name, Uniform(low, high))
