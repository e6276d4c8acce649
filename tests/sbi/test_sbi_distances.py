import torch

from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.distances import DistanceModuli

MODULI = DistanceModuli(0.02, 1.2)


def test_polynomials_are_the_quadrature():
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 500, generator=generator, dtype=torch.float64)
    om0, z = 0.01 + 0.98 * u[0, :50], 0.02 + 1.18 * u[1]
    which = torch.arange(500) % 50
    expected = Cosmology(h0=70.0, om0=om0[which]).distmod(z)
    torch.testing.assert_close(MODULI.of_many(z, om0, which), expected, rtol=0, atol=1e-7)
    smooth = MODULI.coefficients(om0) @ MODULI.basis(z).T
    table = smooth + 5 * torch.log10(z)
    torch.testing.assert_close(table[which, torch.arange(500)], expected, rtol=0, atol=1e-7)


def test_gradient_in_matter_density_is_that_of_the_quadrature():
    z, every = torch.tensor([0.05, 0.4, 1.0], dtype=torch.float64), torch.arange(3)
    slopes = []
    for distmod in (
        lambda om0: MODULI.of_many(z, om0, every),
        lambda om0: Cosmology(h0=70.0, om0=om0).distmod(z),
    ):
        om0 = torch.full((3,), 0.3, dtype=torch.float64, requires_grad=True)
        slopes.append(torch.autograd.grad(distmod(om0).sum(), om0)[0])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0, atol=1e-6)
