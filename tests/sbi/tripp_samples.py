"""Samples, selections and regions of parameters that the tests of Tripp's model share."""

from dataclasses import dataclass

import torch

from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.tripp import PARAMETERS, TrippSample, simulate_tripp
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_selection import TrippSelection

TRUTH = (-19.3, 0.14, 3.0, 0.1, -0.3, 1.0, -0.03, 0.08)
SELECTION = FitCuts(ProbitLimit(17.3, 0.3), x1=1.5, c=0.12)
# About the truth.
BOX = BoxPrior(
    PARAMETERS,
    (-19.5, 0.05, 2.0, 0.03, -0.8, 0.6, -0.1, 0.05),
    (-19.1, 0.25, 4.0, 0.2, 0.4, 1.6, 0.05, 0.12),
)


@dataclass(frozen=True)
class BlueEdge(TrippSelection):
    """A selection of one's own, known by what it keeps only."""

    edge: float = 0.0

    def log_probability(self, data):
        return torch.special.log_ndtr((self.edge - data[..., 2]) / 0.05)


def truths(n):
    return torch.tensor([TRUTH], dtype=torch.float64).repeat(n, 1)


def observed(n=40):
    """Redshifts and covariances with correlations."""
    generator = torch.Generator().manual_seed(1)
    z = 0.015 + 0.065 * torch.rand(n, generator=generator, dtype=torch.float64)
    root = torch.randn(n, 3, 3, generator=generator, dtype=torch.float64).tril()
    root = root * torch.tensor([0.05, 0.15, 0.03], dtype=torch.float64)[:, None]
    root = root + torch.diag(torch.tensor([0.05, 0.1, 0.02], dtype=torch.float64))
    mu = Cosmology(h0=70.0, om0=0.3).distmod(z)
    names = tuple(f"sn{i}" for i in range(n))
    return TrippSample(z, mu, torch.zeros(1, n, 3, dtype=torch.float64), root @ root.mT, names)


def selected(selection=SELECTION, n=60):
    """What a selection keeps of simulated supernovae."""
    return simulate_tripp(observed(n), truths(1), selection, seed=8)


def points(n=200):
    """Parameters within the middle of ``BOX``, shape (1, n, 8)."""
    u = torch.rand(n, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return BOX.from_uniform(0.3 + 0.4 * u)[None]
