import numpy as np
import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.physics.band_tables import groups
from sntorch.physics.bandpasses import Bandpass, bandpass_names, get_bandpass, register_bandpass
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.photometry import (
    GridIntegrator,
    QuadratureIntegrator,
    make_integrator,
)
from sntorch.physics.sed import SEDModel

T21, W22 = SEDModel.from_name("t21"), SEDModel.from_name("w22")
Z = torch.tensor([0.0, 0.01, 0.08], dtype=torch.float64)
BANDS = ("ps1::g", "ps1::r", "ps1::i")

PEAK = np.array([0.0, 1.0, 0.0])


def around(half_width):
    return 6000 + half_width * np.array([-1.0, 0.0, 1.0])


def test_every_object_is_in_one_group():
    z = torch.linspace(0, 1.5, 40, dtype=torch.float64)
    found = groups(get_bandpass("ps1::g"), T21.wave_range, 8, z)
    assert len(found) > 5  # cut off at the blue end of the model, more and more
    assert torch.equal(torch.cat([g.rows for g in found]).sort().values, torch.arange(40))
    for group in found:
        assert group.table.photons.sum() == pytest.approx(1)
        assert (group.table.nodes.diff() >= 0).all()
        torch.testing.assert_close(group.table.basis.sum(1), group.table.photons)


def test_every_day_has_its_own_total_and_no_negative_weight():
    ebv = torch.full_like(Z, 0.1)
    grid = GridIntegrator(T21.surface, BANDS, Z, ebv)
    fast = QuadratureIntegrator(T21.surface, BANDS, Z, ebv)
    assert (fast.weights >= 0).all()
    assert fast.nodes.shape == (3, 3, 8)
    wanted = torch.einsum("bfk,dk->bfd", grid.weights, T21.template)
    torch.testing.assert_close(fast.weights.sum(-1), wanted, rtol=1e-9, atol=0)
    some = QuadratureIntegrator(T21.surface, BANDS, Z, ebv, (-3.5, 7.2))
    torch.testing.assert_close(some.weights, fast.weights[:, :, 15:28], rtol=1e-12, atol=1e-25)


def test_photons_are_those_of_the_band():
    """Mean wavelength of the weights v without dust, against the curve itself."""
    grid = GridIntegrator(T21.surface, BANDS, Z, torch.zeros_like(Z))
    v = grid.weights * (1 + Z)[:, None, None]
    torch.testing.assert_close(v.sum(-1), torch.ones_like(v[..., 0]))
    for f, name in enumerate(BANDS):
        band = get_bandpass(name)
        photons = torch.from_numpy(band.wave * band.transmission)
        wave = torch.from_numpy(band.wave)
        mean = torch.trapezoid(photons * wave, wave) / torch.trapezoid(photons, wave)
        seen = (v[:, f] * T21.wave).sum(-1) * (1 + Z)
        torch.testing.assert_close(seen, mean.expand(3), rtol=2e-4, atol=0)


@pytest.mark.parametrize("n_nodes", [1, 33])
def test_number_of_nodes_is_bounded(n_nodes):
    with pytest.raises(ConfigError, match="2 to 32 nodes"):
        SEDModel(SEDParameters.from_name("t21"), n_nodes)


def test_unknown_integrator_is_named():
    with pytest.raises(ConfigError, match="'simpson': accepted are quadrature, grid"):
        make_integrator("simpson", T21.surface, BANDS, Z, Z)


def test_more_nodes_are_closer_to_the_grid():
    many = {"theta": [2.0, 0.0, -2.0], "av": 1.0, "rv": 2.0, "redshift": Z}
    phase = torch.linspace(-10, 40, 20)
    full = T21.magnitude(phase, ["ps1::g"], integrator="grid", **many)
    errors = []
    for n_nodes in (3, 6, 12):
        sed = SEDModel(SEDParameters.from_name("t21"), n_nodes)
        errors.append(float((sed.magnitude(phase, ["ps1::g"], **many) - full).abs().max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_every_covered_band_agrees_with_the_grid():
    """Population draws in all packaged bands at all redshifts at which the model covers them."""
    generator = torch.Generator().manual_seed(3)
    redshift = torch.linspace(0, 0.8, 5, dtype=torch.float64)
    draw = {
        "theta": torch.randn(5, generator=generator, dtype=torch.float64),
        "av": 0.4,
        "rv": 2.2,
        "epsilon": W22.sample_epsilon(5, generator),
        "redshift": redshift,
        "mwebv": 0.1,
    }
    bands = [b for b in bandpass_names() if W22.covers(b, redshift).any()]
    assert len(bands) > 60
    phase = torch.linspace(-10, 40, 26)
    fast, full = (
        W22.magnitude(phase, bands, integrator=k, **draw) for k in ("quadrature", "grid")
    )
    covered = torch.stack([W22.covers(b, redshift) for b in bands], 1)
    error = (fast - full).abs().amax(-1).where(covered, 0.0)
    assert error.max() < 2e-3
    assert error.median() < 2e-5


@pytest.mark.parametrize("integrator", ["quadrature", "grid"])
def test_a_band_narrower_than_the_grid_is_finite(integrator, monkeypatch):
    from sntorch.physics import bandpasses

    monkeypatch.setattr(bandpasses._registry(), "bands", dict(bandpasses._registry().bands))
    register_bandpass(Bandpass("narrow", around(5), PEAK))
    register_bandpass(Bandpass("line", around(20), PEAK))
    z = torch.tensor([0.0, 0.003, 0.05], dtype=torch.float64)
    flux = T21.flux([0.0], ["line"], redshift=z, integrator=integrator)
    assert (flux > 0).all()
    narrow = T21.flux([0.0], ["narrow"], redshift=z, integrator=integrator)
    assert (narrow.isnan() | (narrow > 0)).all()
