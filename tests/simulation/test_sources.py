import sys
from typing import Any

import numpy as np
import pytest
import torch
from simulation_toy import BANDS, Parabola

from sntorch.errors import ConfigError
from sntorch.physics.bandpasses import get_bandpass
from sntorch.simulation import BayeSNSource, SALTSource, Streams, TemplateSource
from sntorch.simulation.testing import SourceContract

DOUBLE = torch.float64


class TestParabola(SourceContract):
    def make(self):
        return Parabola()


class TestBayeSN(SourceContract):
    bands = ("desg", "desr", "desi", "desz")

    def make(self):
        return BayeSNSource("w22")


class TestTemplates(SourceContract):
    given = (("magnitude", -18.0),)

    @pytest.fixture(autouse=True)
    def _data(self, shared):
        pytest.importorskip("sncosmo")

    def make(self):
        return TemplateSource(["hsiao", "v19-2004gv-corr"], [1.0, 2.0])


class TestSALT3(SourceContract):
    @pytest.fixture(autouse=True)
    def _data(self, shared):
        pytest.importorskip("sncosmo")

    def make(self):
        return SALTSource("salt3")


def column(*values):
    return torch.tensor(values, dtype=DOUBLE)


def test_bayesn_fluxes_are_those_of_the_model():
    source = BayeSNSource("t21")
    drawn = source.draw(Streams.range(0, 0, 4))
    z, mu = column(0.01, 0.03, 0.05, 0.08), column(33.0, 35.5, 36.7, 37.8)
    common = {"redshift": z, "distmod": mu, "mwebv": column(0.0, 0.1, 0.0, 0.3)}
    bands = ("ps1::r", "ps1::i")
    every: dict[str, Any] = {**drawn, **common}
    phase = torch.linspace(-8, 38, 7, dtype=DOUBLE).expand(4, -1)
    for i in range(2):
        band = torch.full(phase.shape, i)
        got = source.flux(phase, band, bands, {**drawn, **common})
        want = source.sed.flux(phase, bands, **every)[:, i]
        torch.testing.assert_close(got, want, rtol=1e-9, atol=0.0)


def test_bayesn_draws_follow_the_population_of_the_model():
    source = BayeSNSource("t21")
    drawn = source.draw(Streams.range(0, 0, 4000))
    assert drawn["theta"].std() == pytest.approx(1.0, rel=0.05)
    assert drawn["av"].mean() == pytest.approx(0.194, rel=0.06)
    assert drawn["delta_m"].std() == pytest.approx(0.103, rel=0.05)
    assert bool((drawn["rv"] == source.sed.rv).all())
    expected = source.sed.epsilon_cholesky.square().sum(1).sqrt()
    k_l, k_t = source.sed.w0.shape
    inner = drawn["epsilon"][:, 1:-1].transpose(1, 2).reshape(-1, (k_l - 2) * k_t).std(0)
    torch.testing.assert_close(inner, expected, rtol=0.06, atol=1e-4)


def test_bayesn_without_residuals_is_smooth():
    assert not BayeSNSource("t21", epsilon=False).draw(Streams.range(0, 0, 5))["epsilon"].any()


def test_peak_magnitude_of_a_typical_sn_ia():
    source = BayeSNSource("w22", epsilon=False)
    one = column(0.0)
    values = {"theta": one, "av": one, "rv": one + 2.6, "delta_m": one, "mwebv": one}
    drawn = {**source.draw(Streams.range(0, 0, 1)), **values}
    phase = torch.linspace(-9, 20, 60, dtype=DOUBLE)[None]
    far = {"redshift": one, "distmod": one}
    flux = source.flux(
        phase, torch.zeros(1, 60, dtype=torch.int64), ("bessellb",), {**drawn, **far}
    )
    peak = 27.5 - 2.5 * torch.log10(flux.max())
    assert -19.8 < peak < -19.0


def sncosmo_flux(source, bands, phase, redshift, mwebv=0.0, hostebv=0.0, rv=3.1):
    """FLUXCAL of a sncosmo model through the packaged bandpasses, shape (F, T)."""
    import sncosmo

    model = sncosmo.Model(
        source=source,
        effects=[sncosmo.F99Dust(rv), sncosmo.F99Dust(3.1)],
        effect_names=["host", "mw"],
        effect_frames=["rest", "obs"],
    )
    model.set(z=redshift, t0=0.0, hostebv=hostebv, mwebv=mwebv)
    out = []
    for name in bands:
        ours = get_bandpass(name)
        theirs = sncosmo.Bandpass(ours.wave, ours.transmission, name=f"copy_{name}")
        zero = sncosmo.get_magsystem("ab").zpbandflux(theirs)
        out.append(model.bandflux(theirs, phase * (1 + redshift)) / zero * 10 ** (0.4 * 27.5))
    return np.stack(out)


@pytest.mark.parametrize("name", ["hsiao", "v19-2004gv-corr", "snana-2004hx:1.0"])
def test_templates_agree_with_sncosmo(shared, name):
    sncosmo = pytest.importorskip("sncosmo")
    ours = TemplateSource([name], reference_band="bessellr")
    base, _, version = name.partition(":")
    theirs = sncosmo.get_source(base, version=version or None)
    from sntorch.simulation.sncosmo_source import _peak

    shift, scale = _peak(theirs, "bessellr")
    phase = np.linspace(-10, 40, 31)
    for z, av, rv, ebv in [(0.0, 0.0, 3.1, 0.0), (0.05, 0.0, 3.1, 0.1), (0.15, 0.5, 2.0, 0.0)]:
        parameters = {
            "template": column(0.0),
            "magnitude": column(-18.0),
            "av": column(av),
            "rv": column(rv),
            "redshift": column(z),
            "distmod": column(38.0),
            "mwebv": column(ebv),
        }
        want = sncosmo_flux(theirs, BANDS, phase + shift, z, ebv, av / rv, rv)
        want *= 10 ** (0.4 * (27.5 - 20.0)) / scale
        for i in range(len(BANDS)):
            band = torch.full((1, 31), i)
            got = ours.flux(torch.tensor(phase)[None], band, BANDS, parameters)[0].numpy()
            assert np.abs(got - want[i]).max() < 2e-3 * want[i].max()


def test_salt_agrees_with_sncosmo(shared):
    sncosmo = pytest.importorskip("sncosmo")
    ours, theirs = SALTSource("salt3", alpha=0.0, beta=0.0), sncosmo.get_source("salt3")
    theirs.set(x0=1.0)
    standard = sncosmo.Model(theirs)
    b = get_bandpass("bessellb")
    from sntorch.simulation.sncosmo_source import _flux_at

    scale = _flux_at(theirs, "bessellb", np.zeros(1))[0]
    assert standard.bandflux(sncosmo.Bandpass(b.wave, b.transmission), 0.0) > 0
    phase = np.linspace(-10, 40, 31)
    for x1, c, z in [(0.0, 0.0, 0.0), (1.5, -0.1, 0.05), (-2.0, 0.2, 0.2)]:
        theirs.set(x0=1.0, x1=x1, c=c)
        want = sncosmo_flux(theirs, BANDS, phase, z) / scale * 10 ** (0.4 * (27.5 - 19.0))
        parameters = {
            "magnitude": column(-19.0),
            "x1": column(x1),
            "c": column(c),
            "redshift": column(z),
            "distmod": column(38.0),
            "mwebv": column(0.0),
        }
        for i in range(len(BANDS)):
            band = torch.full((1, 31), i)
            got = ours.flux(torch.tensor(phase)[None], band, BANDS, parameters)[0].numpy()
            assert np.abs(got - want[i]).max() < 2e-3 * want[i].max()


def test_salt_peak_magnitude_follows_tripp(shared):
    pytest.importorskip("sncosmo")
    source = SALTSource("salt3", alpha=0.14, beta=3.1)
    one = column(0.0, 0.0, 0.0)
    parameters = {
        "magnitude": one - 19.36,
        "x1": column(0.0, 1.0, 0.0),
        "c": column(0.0, 0.0, 0.1),
        "redshift": one,
        "distmod": one,
        "mwebv": one,
    }
    flux = source.flux(
        one[:, None], torch.zeros(3, 1, dtype=torch.int64), ("bessellb",), parameters
    )
    m = 27.5 - 2.5 * torch.log10(flux[:, 0])
    torch.testing.assert_close(m, column(-19.36, -19.50, -19.05), rtol=0, atol=0.02)


def test_template_has_its_peak_magnitude_at_phase_zero(shared):
    pytest.importorskip("sncosmo")
    source = TemplateSource(["v19-2004gv-corr", "v19-2007Y-corr"], reference_band="bessellb")
    phase = torch.linspace(-10, 20, 301, dtype=DOUBLE).expand(2, -1)
    zero = column(0.0, 0.0)
    parameters = {
        "template": column(0.0, 1.0),
        "magnitude": zero - 17.5,
        "av": zero,
        "rv": zero + 3.1,
    }
    common = {"redshift": zero, "distmod": zero, "mwebv": zero}
    band = torch.zeros(phase.shape, dtype=torch.int64)
    flux = source.flux(phase, band, ("bessellb",), {**parameters, **common})
    magnitude = 27.5 - 2.5 * torch.log10(flux)
    torch.testing.assert_close(magnitude.amin(1), zero - 17.5, rtol=0, atol=2e-3)
    assert bool((phase[0][magnitude.argmin(1)].abs() <= 0.2).all())


def test_templates_are_dark_before_they_begin(shared):
    pytest.importorskip("sncosmo")
    source = TemplateSource(["v19-2013fs-corr"])
    phase = torch.tensor([[-25.0, -15.0, 0.0]], dtype=DOUBLE)
    one = column(0.0)
    parameters = {"template": one, "magnitude": one - 17, "av": one, "rv": one + 3.1}
    common = {"redshift": one, "distmod": one + 35, "mwebv": one}
    band = torch.zeros(1, 3, dtype=torch.int64)
    flux = source.flux(phase, band, ("desr",), {**parameters, **common})[0]
    assert flux[0] == flux[1] == 0
    assert flux[2] > 0


def test_template_weights_are_followed(shared):
    pytest.importorskip("sncosmo")
    source = TemplateSource(["v19-2004gv-corr", "v19-2007Y-corr"], weights=[1.0, 3.0])
    drawn = source.draw(Streams.range(0, 0, 2000))["template"]
    assert drawn.mean() == pytest.approx(0.75, abs=0.04)


def test_sncosmo_source_is_the_class_of_error_that_users_can_act_on(shared, monkeypatch):
    with pytest.raises(ConfigError, match="one positive weight each"):
        TemplateSource(["hsiao"], weights=[0.0])
    pytest.importorskip("sncosmo")
    with pytest.raises(ConfigError, match="is no SALT2 or SALT3 model"):
        SALTSource("hsiao")
    with pytest.raises(ConfigError, match="sncosmo has no source 'no-such-thing'"):
        TemplateSource(["no-such-thing"])
    monkeypatch.setitem(sys.modules, "sncosmo", None)
    with pytest.raises(ConfigError, match=r'pip install "sntorch\[astro\]"'):
        TemplateSource(["hsiao"])
