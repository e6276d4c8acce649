import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from sntorch.errors import ConfigError
from sntorch.physics.bandpasses import Bandpass, bandpass_names, get_bandpass, register_bandpass
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.standards import DATA

GRIZ = ["ps1::g", "ps1::r", "ps1::i", "ps1::z"]
INTEGRATORS = pytest.mark.parametrize("integrator", ["quadrature", "grid"])
T21, M20 = SEDModel.from_name("t21"), SEDModel.from_name("M20_model")


def draw(n, sed=T21, seed=0) -> dict[str, Any]:
    """Parameters of n supernovae."""
    g = torch.Generator().manual_seed(seed)
    u = torch.rand(4, n, generator=g, dtype=torch.float64)
    return {
        "theta": torch.randn(n, generator=g, dtype=torch.float64),
        "av": u[0],
        "rv": 1.5 + 3 * u[1],
        "epsilon": sed.sample_epsilon(n, g),
        "redshift": 0.01 + 0.1 * u[2],
        "distmod": 35 + u[3],
        "mwebv": 0.3 * u[3],
        "tmax": u[1] - 0.5,
        "delta_m": 0.1 * u[0],
    }


def test_shapes():
    assert T21.flux([0.0, 1.0], GRIZ).shape == (4, 2)
    assert T21.flux(0.0, "ps1::g").shape == (1, 1)
    assert T21.flux([0.0, 1.0], GRIZ, theta=np.zeros(3)).shape == (3, 4, 2)
    assert T21.flux(torch.zeros(3, 2), GRIZ).shape == (3, 4, 2)
    assert T21.flux([0.0], GRIZ, epsilon=T21.sample_epsilon(1)[0]).shape == (4, 1)
    assert T21.flux([0.0], GRIZ, epsilon=T21.sample_epsilon(5)).shape == (5, 4, 1)
    assert T21.flux(torch.zeros(5, 1), GRIZ, epsilon=T21.sample_epsilon(1)[0]).shape == (5, 4, 1)
    assert T21.flux([0.0], GRIZ, theta=torch.zeros(0)).shape == (0, 4, 1)
    assert T21.spectrum([0.0, 1.0], [5000.0, 6000.0, 7000.0]).shape == (2, 3)
    assert T21.spectrum([0.0], [5000.0], av=[0.0, 0.1]).shape == (2, 1, 1)
    assert T21.magnitude([0.0], GRIZ).shape == (4, 1)


@INTEGRATORS
def test_a_batch_is_a_loop(integrator):
    many, phase = draw(5), torch.linspace(-9, 39, 7, dtype=torch.float64)
    together = T21.flux(phase, GRIZ, integrator=integrator, **many)
    for i in range(5):
        one = {name: value[i] for name, value in many.items()}
        alone = T21.flux(phase, GRIZ, integrator=integrator, **one)
        torch.testing.assert_close(together[i], alone, rtol=1e-9, atol=0)


@INTEGRATORS
def test_chunks_do_not_show(integrator, monkeypatch):
    many, phase = draw(7), torch.linspace(-9, 39, 3, dtype=torch.float64)
    whole = T21.flux(phase, GRIZ, integrator=integrator, **many)
    monkeypatch.setattr("sntorch.physics.sed.CHUNK", 2)
    torch.testing.assert_close(T21.flux(phase, GRIZ, integrator=integrator, **many), whole)


@INTEGRATORS
def test_flux_at_is_flux(integrator):
    many = draw(3)
    phase = torch.linspace(-9, 39, 12, dtype=torch.float64).view(1, -1).repeat(3, 1)
    band = torch.arange(12).remainder(4).expand(3, -1)
    every = T21.flux(phase, GRIZ, integrator=integrator, **many)
    some = T21.flux_at(phase, band, GRIZ, integrator=integrator, **many)
    torch.testing.assert_close(some, every.gather(1, band[:, None]).squeeze(1))


@INTEGRATORS
def test_gradients(integrator):
    many = draw(2)
    names = ["theta", "av", "rv", "epsilon", "tmax", "redshift", "mwebv"]
    inputs = [many.pop(name).clone().requires_grad_() for name in names]
    # The template is linear between days: away from whole days the phase has a derivative.
    phase = torch.tensor([-3.3, 10.4], dtype=torch.float64)

    def magnitude(*values):
        named = dict(zip(names, values, strict=True))
        return T21.magnitude(phase, GRIZ[:2], integrator=integrator, **named, **many)

    # At a redshift the band is linear between fine points of 5e-5 dex.
    assert torch.autograd.gradcheck(magnitude, inputs, eps=1e-7, atol=1e-4, rtol=1e-3)


@INTEGRATORS
def test_before_and_after_the_template(integrator):
    theta = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    phase = [-4000.0, -19.01, -18.0, 0.0, 84.9, 85.1, 4000.0, torch.nan]
    flux = T21.flux(phase, ["ps1::r"], theta=theta, integrator=integrator)[0, 0]
    assert (flux[:2] == 0).all()
    assert (flux[2:5] > 0).all()
    assert flux[5:].isnan().all()
    flux[:5].sum().backward()
    assert theta.grad is not None
    assert theta.grad.isfinite().all()
    spectrum = T21.spectrum(phase, [5000.0])[:, 0]
    assert torch.equal(spectrum.isnan(), flux.isnan())
    assert torch.equal(spectrum == 0, flux == 0)


def test_no_magnitude_without_flux_but_gradients_elsewhere():
    theta = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    magnitude = T21.magnitude([-30.0, 0.0], ["ps1::r"], theta=theta)[0, 0]
    assert magnitude.isnan().tolist() == [True, False]
    magnitude[1].backward()
    assert theta.grad is not None
    assert theta.grad.isfinite().all()


@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_never_negative_for_any_warp(scale):
    g = torch.Generator().manual_seed(4)
    epsilon = scale * torch.randn(20, *M20.w0.shape, generator=g, dtype=torch.float64)
    bands = ["ps1::g", "desz", "lssty", "cspb", "2massj"]
    flux = M20.flux(torch.linspace(-15, 45, 40), bands, epsilon=epsilon, redshift=0.05)
    assert (flux >= 0).all()


@INTEGRATORS
def test_bands_outside_the_model(integrator):
    """Partly outside: the rest counts as all. Wholly outside: NaN, and the other bands stay."""
    z = torch.tensor([0.0, 0.3, 0.9, 3.0], dtype=torch.float64)
    flux = T21.flux([0.0], ["lsstu", "ps1::r", "2massj"], redshift=z, integrator=integrator)[
        ..., 0
    ]
    assert flux.isnan().tolist() == [
        [False, False, True],
        [True, False, False],
        [True, False, False],
        [True, True, False],
    ]
    assert (flux[~flux.isnan()] > 0).all()


def test_covers_is_the_rule_of_the_edges():
    z = torch.linspace(0, 1, 200, dtype=torch.float64)
    for name in bandpass_names():
        low, high = get_bandpass(name).edges
        dropped = (z > low / 3500 - 1) | (z < high / 9500 - 1)
        assert torch.equal(T21.covers(name, z), ~dropped)
    assert T21.covers("ps1::g", 0.05).shape == ()


@pytest.mark.parametrize("name", ["t21", "m20", "w22"])
def test_residuals_have_the_population_covariance(name):
    sed = SEDModel.from_name(name)
    k_l, k_t = sed.w0.shape
    surfaces = sed.sample_epsilon(20000, torch.Generator().manual_seed(0))
    assert surfaces.shape == (20000, k_l, k_t)
    assert (surfaces[:, [0, -1]] == 0).all()
    flat = surfaces[:, 1:-1].transpose(1, 2).flatten(1)  # wavelength fastest
    wanted = sed.epsilon_cholesky @ sed.epsilon_cholesky.T
    size = wanted.diagonal().sqrt()
    error = (flat.T.cov() - wanted) / (size[:, None] * size)
    assert error.abs().max() < 0.06
    unit = torch.zeros(len(size), dtype=torch.float64)
    unit[1] = 1
    surface = sed.epsilon_surface(unit)
    assert surface[2, 0] == sed.epsilon_cholesky[1, 1]
    assert torch.equal(
        sed.sample_epsilon(2, torch.Generator().manual_seed(1)),
        sed.sample_epsilon(2, torch.Generator().manual_seed(1)),
    )


@INTEGRATORS
def test_single_precision(integrator):
    many, phase = draw(4), [-5.0, 0.0, 20.5]
    single = copy.deepcopy(T21).to(torch.float32)
    found = single.magnitude(phase, GRIZ, integrator=integrator, **many)
    assert found.dtype == torch.float32
    wanted = T21.magnitude(phase, GRIZ, integrator=integrator, **many)
    assert (found.double() - wanted).abs().max() < 1e-3


def test_state_is_complete():
    other = SEDModel.from_name("t21")
    with torch.no_grad():
        other.w0.zero_()
    assert not torch.equal(other.flux([0.0], GRIZ), T21.flux([0.0], GRIZ))
    other.load_state_dict(T21.state_dict())
    assert torch.equal(other.flux([0.0], GRIZ), T21.flux([0.0], GRIZ))
    assert "6 × 6 knots, 3500-9500 Å" in repr(T21)


@INTEGRATORS
def test_no_tensor_is_made_on_a_default_device(integrator):
    """Whatever is made without a device would be made on ``meta`` and refuse to meet the others."""
    phase, many = torch.zeros(3, 2, dtype=torch.float64), draw(3)
    band = torch.zeros(3, 2, dtype=torch.long)
    z, wave = many["redshift"], torch.tensor([5000.0])
    with torch.device("meta"):
        assert T21.flux(phase, GRIZ, integrator=integrator, **many).device.type == "cpu"
        T21.flux_at(phase, band, GRIZ, integrator=integrator, **many)
        T21.spectrum(phase[0], wave, av=0.1)
        T21.sample_epsilon(2)
        T21.covers("ps1::g", z)


@INTEGRATORS
def test_gradients_after_inference_mode(integrator):
    bands = ["lsst2023::g", "csp2r"] if integrator == "grid" else ["usno::g", "usno::r"]
    with torch.inference_mode():
        T21.flux([0.0], bands, integrator=integrator)
    z = torch.tensor([0.05], dtype=torch.float64, requires_grad=True)
    T21.flux(
        [0.0], bands, redshift=z, mwebv=z, av=z, rv=3 + z, integrator=integrator
    ).sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_a_replaced_bandpass_is_used(monkeypatch):
    from sntorch.physics import bandpasses

    monkeypatch.setattr(bandpasses._registry(), "bands", dict(bandpasses._registry().bands))
    magnitudes = []
    for centre in (5000, 7000):
        register_bandpass(
            Bandpass("mine", np.array([centre - 500, centre, centre + 500]), np.array([0, 1, 0]))
        )
        magnitudes.append(float(T21.magnitude(0.0, "mine")))
    assert abs(magnitudes[0] - magnitudes[1]) > 0.1


def test_prepared_integrator_is_reused():
    many, phase = draw(3), torch.linspace(-5, 30, 6, dtype=torch.float64).expand(3, -1)
    integrate = T21.integrator(GRIZ, many["redshift"], many["mwebv"])
    band = torch.ones(3, 6, dtype=torch.long)
    grey = T21.m0 + many["distmod"] + many["delta_m"]
    warp = T21.warp(many["theta"], many["epsilon"])
    flux = integrate(phase - many["tmax"][:, None], band, warp, many["av"], many["rv"])
    wanted = T21.flux_at(phase, band, GRIZ, **many)
    torch.testing.assert_close(flux * 10 ** (-0.4 * grey[:, None]), wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"integrator": "trapezium"}, "accepted are quadrature, grid"),
        ({"bands": ["ps1::x"]}, "unknown bandpass 'ps1::x'"),
        ({"epsilon": torch.zeros(9, 6)}, r"epsilon has shape \(9, 6\); accepted is \(..., 6, 6\)"),
        ({"theta": torch.zeros(2), "av": torch.zeros(3)}, r"shapes .*\(2,\), \(3,\)"),
    ],
)
def test_errors_name_what_is_accepted(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        T21.flux(**{"phase": [0.0], "bands": GRIZ, **changes})
    assert "\n" not in str(caught.value)


def t21_yaml():
    return yaml.safe_load((DATA / "models" / "t21.yaml").read_text())


def write(path: Path, content, **changes):
    kept = {k: v for k, v in {**content, **changes}.items() if v is not None}
    path.write_text(yaml.safe_dump(kept))
    return path


@pytest.mark.parametrize("keys", [("MUR", "SIGMAR"), ("mu_R", "sigma_R"), ("MU_R", "SIGMA_R")])
def test_a_population_of_rv(keys, tmp_path):
    changes = {"RV": None, keys[0]: "2.7", keys[1]: 0.6}
    parameters = SEDParameters.from_yaml(write(tmp_path / "a.yaml", t21_yaml(), **changes))
    assert (parameters.rv, parameters.sigma_r) == (2.7, 0.6)


def test_numbers_that_yaml_takes_for_strings(tmp_path):
    path = tmp_path / "a.yaml"
    write(path, t21_yaml())
    path.write_text(path.read_text() + "\nTAUA: 1e-05\n")
    assert SEDModel.from_yaml(path).tau_a == 1e-5
    assert SEDParameters.from_name("T21").tau_a == pytest.approx(0.194, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W0": None, "M0": None}, "lacks W0, M0"),
        ({"W0": [[1.0]]}, r"W0 has shape \(1, 1\), the knots ask for \(6, 6\)"),
        ({"W1": [[1.0], [1.0, 2.0]]}, "W1 is not an array of numbers"),
        ({"L_SIGMA_EPSILON": [[1.0]]}, r"the knots ask for \(24, 24\)"),
        ({"L_KNOTS": [1.0, 1.0, 2.0]}, "L_KNOTS: three or more increasing knots"),
        ({"W0": [[float("nan")] * 6] * 6}, "W0 holds a value that is not finite"),
        ({"SIGMA0": "wide"}, "SIGMA0 is 'wide'; a number is accepted"),
        ({"RV": None}, "neither RV nor MUR and SIGMAR"),
    ],
)
def test_bad_model_files_are_named_in_one_line(changes, message, tmp_path):
    path = write(tmp_path / "BAYESN.YAML", t21_yaml(), **changes)
    with pytest.raises(ConfigError, match=message) as caught:
        SEDModel.from_yaml(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_model(tmp_path):
    path = tmp_path / "a.yaml"
    for content, message in (
        (None, "no such file"),
        ("a: [", "not YAML"),
        ("[]", "it lacks L_KNOTS"),
    ):
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            SEDModel.from_yaml(path)
    with pytest.raises(
        ConfigError, match="no model 'g99'; packaged are foundation-griz, m20, t21, w22"
    ):
        SEDModel.from_name("g99")
