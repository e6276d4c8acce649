from typing import Any

import astropy.cosmology
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.physics.cosmology import Cosmology

Z = np.geomspace(1e-3, 8, 60)
astropy_cosmology: Any = astropy.cosmology
# astropy's radiation is switched off: ours has none. Its order is H0, Om0, Ode0, then Tcmb0.
UNIVERSES: dict[str, tuple[Cosmology, Any]] = {
    "default": (Cosmology(), astropy_cosmology.FlatLambdaCDM(H0=73.24, Om0=0.28, Tcmb0=0)),
    "flat": (Cosmology(70, 0.3), astropy_cosmology.FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)),
    "wCDM": (
        Cosmology(68, 0.31, w0=-0.8),
        astropy_cosmology.FlatwCDM(H0=68, Om0=0.31, w0=-0.8, Tcmb0=0),
    ),
    "w0wa": (
        Cosmology(70, 0.3, w0=-0.9, wa=-0.5),
        astropy_cosmology.Flatw0waCDM(H0=70, Om0=0.3, w0=-0.9, wa=-0.5, Tcmb0=0),
    ),
    "open": (
        Cosmology(72, 0.25, 0.5),
        astropy_cosmology.LambdaCDM(H0=72, Om0=0.25, Ode0=0.5, Tcmb0=0),
    ),
    "closed": (
        Cosmology(67, 0.4, 0.9, -1.1, 0.3),
        astropy_cosmology.w0waCDM(H0=67, Om0=0.4, Ode0=0.9, w0=-1.1, wa=0.3, Tcmb0=0),
    ),
    "hardly curved": (
        Cosmology(70, 0.3, 0.7 + 1e-7),
        astropy_cosmology.LambdaCDM(H0=70, Om0=0.3, Ode0=0.7 + 1e-7, Tcmb0=0),
    ),
}
PAIRS = {
    "luminosity_distance": "luminosity_distance",
    "angular_diameter_distance": "angular_diameter_distance",
    "comoving_distance": "comoving_distance",
    "transverse_distance": "comoving_transverse_distance",
    "comoving_volume": "comoving_volume",
    "differential_comoving_volume": "differential_comoving_volume",
    "distmod": "distmod",
    "efunc": "efunc",
}


@pytest.mark.parametrize("universe", UNIVERSES)
@pytest.mark.parametrize("quantity", PAIRS)
def test_astropy(universe, quantity):
    ours, theirs = UNIVERSES[universe]
    found = getattr(ours, quantity)(torch.from_numpy(Z)).numpy()
    wanted = getattr(theirs, PAIRS[quantity])(Z)
    # astropy's volume of a hardly curved universe is a difference of almost equal numbers.
    if (universe, quantity) == ("hardly curved", "comoving_volume"):
        wanted = UNIVERSES["flat"][1].comoving_volume(Z)
    np.testing.assert_allclose(found, getattr(wanted, "value", wanted), rtol=1e-6)


@given(st.floats(50, 90), st.floats(0.05, 0.6), st.floats(0.3, 0.9), st.floats(-1.5, -0.5))
@settings(deadline=None, max_examples=15)
def test_line_of_sight_distance_and_volume_increase(h0, om0, ode0, w0):
    universe = Cosmology(h0, om0, ode0, w0)
    z = torch.linspace(0, 3, 30, dtype=torch.float64)
    assert (universe.comoving_distance(z).diff() > 0).all()
    assert (universe.luminosity_distance(z).diff() > 0).all()
    assert (universe.comoving_volume(z).diff() > 0).all()


def test_volume_is_the_integral_of_its_differential():
    universe = Cosmology(70, 0.3, 0.6, -0.9, 0.2)
    z = torch.linspace(0, 1, 2001, dtype=torch.float64)
    shells = universe.differential_comoving_volume(z)
    wanted = 4 * torch.pi * torch.trapezoid(shells, z)
    torch.testing.assert_close(universe.comoving_volume(z[-1]), wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "quantity", ["distmod", "comoving_volume", "differential_comoving_volume"]
)
def test_gradients_of_redshift_and_parameters(quantity):
    values = (0.4, 70.0, 0.3, 0.65, -0.9, 0.1)
    inputs = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in values]
    assert torch.autograd.gradcheck(
        lambda z, *p: getattr(Cosmology(*p), quantity)(z).log(), inputs, eps=1e-6, atol=1e-5
    )


def test_gradient_of_curvature_is_finite_at_flatness():
    ode0 = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    Cosmology(70, 0.3, ode0).distmod(1.0).backward()
    assert ode0.grad is not None
    assert ode0.grad.isfinite()


def test_a_batch_of_universes_is_a_loop_over_them():
    om0 = torch.tensor([0.2, 0.3, 0.4], dtype=torch.float64)
    w0 = torch.tensor([-1.1, -1.0, -0.7], dtype=torch.float64)
    z = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    for quantity in PAIRS:
        pairwise = getattr(Cosmology(70, om0, 0.7, w0), quantity)(z)
        table = getattr(Cosmology(70, om0[:, None], 0.7, w0[:, None]), quantity)(z)
        assert table.shape == (3, 3)
        for i in range(3):
            one = getattr(Cosmology(70, float(om0[i]), 0.7, float(w0[i])), quantity)(z)
            torch.testing.assert_close(table[i], one, rtol=1e-12, atol=0)
            torch.testing.assert_close(pairwise[i], one[i], rtol=1e-12, atol=0)


def test_what_a_redshift_may_be():
    universe = Cosmology()
    wanted = universe.distmod(torch.tensor([1.0], dtype=torch.float64))[0]
    for z in (1, 1.0, np.float64(1), torch.tensor(1), torch.tensor(1.0, dtype=torch.float64)):
        torch.testing.assert_close(universe.distmod(z), wanted, rtol=1e-14, atol=0)
    single = universe.distmod(torch.tensor([1.0]))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single[0].double(), wanted, rtol=1e-6, atol=0)


def test_here_and_now():
    universe = Cosmology(70, 0.3, 0.6)
    assert universe.luminosity_distance(0.0) == 0
    assert universe.comoving_volume(0.0) == 0
    assert universe.efunc(0.0) == 1
    assert universe.distmod(0.0) == -torch.inf
