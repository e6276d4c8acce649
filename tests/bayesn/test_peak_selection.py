"""Selection by peak magnitude: the normaliser against closed forms and Monte Carlo, and recovery."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_hierarchy import model, normal, points, supernovae, t21

from sntorch.bayesn.hierarchy import HierarchicalModel, population_rv
from sntorch.bayesn.injections import inject
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import Conditions, Dust, each
from sntorch.bayesn.selected import (
    AV_KNOTS,
    INVERSE_RV_KNOTS,
    LEAST_P,
    SHIFT_KNOTS,
    SelectedSample,
)
from sntorch.bayesn.selection import PeakSelection
from sntorch.bayesn.simulated_sample import selected_sample, simulated_kept
from sntorch.bayesn.surfaces import FixedSED
from sntorch.bayesn.testing import named_variables, pyro_log_density
from sntorch.bayesn.training import TrainingSettings, train
from sntorch.bayesn.training_products import write_training
from sntorch.errors import ConfigError, DataError
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.simulation import MagnitudeLimit, MinDetections, SpectroscopicEfficiency, WithinRange

BAND = "ps1::g"
LIMIT = MagnitudeLimit(17.0, 0.5, f"peak {BAND}")
SETTINGS = {"tau_a": 0.3, "sigma0": 0.12, "mu_r": 2.8, "sigma_r": 0.6}


class Shifted(Dust):
    """Dust, with the mean brightness as a parameter."""

    def __call__(self, draw, sample):
        delta_m = draw("delta_m", torch.distributions.Normal(0.0, 0.1))
        return replace(super().__call__(draw, sample), delta_m=each(delta_m))


def number(value):
    return torch.tensor([value], dtype=torch.float64)


def conditions(**changes):
    return Conditions(**{k: number(v) for k, v in {**SETTINGS, **changes}.items() if v})


def tabulated(efficiency):
    """A selection of which the efficiency is a formula in A_V, R_V and the shift in distance."""
    axes = (
        torch.tensor(k, dtype=torch.float64) for k in (SHIFT_KNOTS, AV_KNOTS, INVERSE_RV_KNOTS)
    )
    shift, av, inverse = torch.meshgrid(*axes, indexing="ij")
    table = efficiency(av, 1 / inverse, shift).flatten(1)
    error = torch.tensor([0.05, 0.15], dtype=torch.float64)
    return SelectedSample(table.expand(2, *table.shape), error, "a formula")


@pytest.fixture(scope="module")
def selected():
    return PeakSelection({"peak": LIMIT}, injections=1500)(t21(), supernovae(12))


def with_selection(selected, population="Dust"):
    return replace(model(population, trained=False), selection=selected)


@pytest.mark.parametrize("shift", [None, -0.1])
def test_of_a_probit_in_distance_it_is_a_probit(shift):
    selected = tabulated(lambda av, rv, shift: torch.special.ndtr((0.2 - shift) / 0.4))
    found = selected.log_selected(conditions(delta_m=shift)).exp()
    scatter = torch.sqrt(0.4**2 + SETTINGS["sigma0"] ** 2 + selected.distance_err**2)
    expected = torch.special.ndtr((0.2 - (shift or 0.0)) / scatter)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("tau_a", [0.02, 0.3, 1.0])
def test_of_an_exponential_in_dust_it_is_the_laplace_transform(tau_a):
    found = tabulated(lambda av, rv, shift: torch.exp(-1.5 * av)).log_selected(
        conditions(tau_a=tau_a)
    )
    torch.testing.assert_close(
        found.exp(), number(1 / (1 + 1.5 * tau_a)).expand(2), rtol=3e-4, atol=0
    )


def sharp(width, peak=0.0):
    """A limit on a peak that dust dims by 1.2 A_V."""
    return tabulated(lambda av, rv, shift: torch.special.ndtr((peak - shift - 1.2 * av) / width))


@pytest.mark.parametrize(("width", "within"), [(0.105, 0.13), (0.15, 0.03)])
@pytest.mark.parametrize("tau_a", [0.05, 0.3])
@pytest.mark.parametrize("peak", [-0.4, 0.0, 0.5])
def test_a_sharp_limit_is_resolved(width, within, tau_a, peak):
    """ln P within what the knots leave, against a sum over dust."""
    selected, c = sharp(width, peak), conditions(tau_a=tau_a)
    av = -tau_a * torch.log1p(-(torch.arange(4000, dtype=torch.float64)[:, None] + 0.5) / 4000)
    scatter = torch.sqrt(width**2 + c.sigma0**2 + selected.distance_err**2)
    expected = torch.special.ndtr((peak - 1.2 * av) / scatter).mean(0).log()
    torch.testing.assert_close(selected.log_selected(c), expected, rtol=0, atol=within)


def test_a_limit_that_is_sharper_is_refused():
    with pytest.raises(ConfigError, match=r"within 0.15 mag, .* at least 0.1 mag is accepted"):
        sharp(0.08)


def test_next_to_nothing_is_not_divided_by():
    nothing = tabulated(lambda av, rv, shift: torch.zeros_like(av)).log_selected(conditions())
    torch.testing.assert_close(nothing.exp(), number(LEAST_P).expand(2))


@pytest.mark.parametrize("law", [{"mu_r": None, "sigma_r": None, "rv": 2.5}, {}])
def test_of_the_dust_law_it_is_the_mean(law):
    selected = tabulated(lambda av, rv, shift: 1 / rv)
    rv = number(2.5)
    if not law:
        rv = population_rv(normal(200_000), number(2.8), number(0.6))
    expected = (1 / rv).mean().expand(2)
    found = selected.log_selected(conditions(**law)).exp()
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


@pytest.mark.parametrize("changes", [{}, {"tau_a": 0.6, "mu_r": 1.8, "delta_m": 0.1}])
def test_it_is_the_fraction_of_simulated_supernovae_that_are_kept(selected, changes):
    found, n = selected.log_selected(conditions(**changes)).exp(), 4000
    assert float(found.min()) < 0.5 < float(found.max())
    values = {k: number(v)[0] for k, v in {**SETTINGS, "delta_m": 0.0, **changes}.items()}
    for i in (0, 4, 8):
        many = supernovae(12).take(torch.full((n,), i))
        every = HierarchicalModel(many, FixedSED(t21()), Shifted())
        kept = simulated_kept(every, {"peak": LIMIT}, values, seed=i)
        error = float(kept.std()) / n**0.5
        assert abs(float(found[i] - kept.mean())) < 3.5 * error + 0.004


def test_it_has_the_gradient_of_its_differences(selected):
    for name in SETTINGS:
        c = conditions()
        value = getattr(c, name).requires_grad_()
        (slope,) = torch.autograd.grad(selected.log_selected(c).sum(), value)
        ends = [
            selected.log_selected(conditions(**{name: SETTINGS[name] + s})) for s in (1e-5, -1e-5)
        ]
        difference = (ends[0] - ends[1]).sum() / 2e-5
        torch.testing.assert_close(slope[0], difference, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("population", ["GlobalRV", "Dust", "DustRedshift", "MassSplit"])
def test_the_fast_density_is_that_of_the_pyro_model(selected, population):
    joint = JointDensity(with_selection(selected, population))
    density = HierarchicalDensity(joint)
    z = density.joined(*points(joint))
    value, gradient = density.value_and_gradient(z[None])
    for c, one in enumerate(z):
        wanted = pyro_log_density(joint.model, named_variables(joint, one))
        torch.testing.assert_close(value[0, c], wanted, rtol=1e-10, atol=0)
    plain = HierarchicalDensity(JointDensity(replace(joint.model, selection=None)))
    without, of_it = plain.value_and_gradient(z[None])
    assert bool((value > without).all()), "to be divided by a probability makes larger"
    assert bool((gradient[..., : joint.n_shared] != of_it[..., : joint.n_shared]).any())


def test_a_chain_that_is_lost_harms_no_other(selected):
    joint = JointDensity(with_selection(selected))
    phi, _ = points(joint)
    value = joint.shared(phi)[1]
    for bad in (torch.nan, torch.inf, 1e4, -1e4):
        spoiled = phi.clone()
        spoiled[1] = bad
        torch.testing.assert_close(joint.shared(spoiled)[1][[0, 2]], value[[0, 2]])


def test_some_of_the_supernovae_keep_their_own(selected):
    chosen = torch.tensor([7, 2])
    few = with_selection(selected).take(chosen)
    assert few.selection is not None
    found = few.selection.log_selected(conditions())
    torch.testing.assert_close(found, selected.log_selected(conditions())[chosen])


def test_cuts_of_all_kinds_have_to_be_passed():
    cuts = {
        "either": LIMIT | MagnitudeLimit(16.0, 0.2, "peak ps1::r"),
        "spectrum": SpectroscopicEfficiency("peak ps1::i", s1=2.0, s2=33.0),
        "near": WithinRange("redshift", 0.0, 0.03) & LIMIT,
    }
    selection = PeakSelection(cuts)
    assert selection.bands == ["ps1::g", "ps1::r", "ps1::i"]
    assert selection.cuts == cuts
    redshift = torch.tensor([0.02, 0.04], dtype=torch.float64)
    mwebv, muhat = torch.zeros_like(redshift), torch.tensor([34.6, 36.1], dtype=torch.float64)
    latents, kept = inject(t21(), cuts, redshift, mwebv, muhat, 40, seed=0)
    assert latents.shape == (160, 4)
    far = latents[:, -1] > 0.03
    assert bool((kept[far] == 0).all())
    assert float(kept[~far].max()) > 0.5


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ({}, "at least one cut"),
        ({"a": MagnitudeLimit(17.0, 0.3, "magnitude")}, "cuts on 'redshift' and on 'peak BAND'"),
        ({"a": MinDetections(5)}, "cuts on 'redshift' and on 'peak BAND'"),
        ({"near": WithinRange("redshift", 0, 1)}, "redshift alone changes nothing"),
    ],
)
def test_cuts_on_something_else_are_refused(cuts, message):
    with pytest.raises(ConfigError, match=message):
        PeakSelection(cuts)


def test_of_a_cut_on_redshift_the_sample_is_only_checked():
    sample = supernovae(12)
    last = float(sample.observations.redshift.max())
    with_redshift = {
        # Kept with a probability that redshift alone decides: a constant.
        "peak": LIMIT,
        "far": MagnitudeLimit(2 * last, last, "redshift"),
    }
    found = PeakSelection(with_redshift, injections=300)(t21(), sample)
    alone = PeakSelection({"peak": LIMIT}, injections=300)(t21(), sample)
    assert torch.equal(found.efficiency, alone.efficiency)
    assert "of='redshift'" in found.rule
    farthest = sample.object_id[int(sample.observations.redshift.argmax())]
    near = {"peak": LIMIT, "near": WithinRange("redshift", 0.0, last - 1e-6)}
    with pytest.raises(DataError, match=f"{farthest}, at redshift {last:.4f}, does not pass"):
        PeakSelection(near, injections=300)(t21(), sample)


def test_a_selection_that_excludes_what_was_seen_is_refused():
    narrow = MagnitudeLimit(14.0, 0.1, f"peak {BAND}")
    with pytest.raises(DataError, match=r"lets SN\d+ in, at redshift 0.0\d+, with probability"):
        PeakSelection({"peak": narrow}, injections=300)(t21(), supernovae(12))


def test_a_band_beyond_the_model_is_refused():
    infrared = MagnitudeLimit(17.0, 0.3, "peak csphs")
    with pytest.raises(
        ConfigError, match=r"csphs at redshift 0.0.* beyond the model's wavelengths"
    ):
        PeakSelection({"peak": infrared})(t21(), supernovae(12))


def test_too_few_injections_are_refused():
    with pytest.raises(ConfigError, match="injections=20: at least 200"):
        PeakSelection({"peak": LIMIT}, injections=20)


def test_populations_and_surfaces_that_change_the_peaks_are_refused(selected):
    joint = JointDensity(with_selection(selected, "MassSplitSED"))
    phi, _ = points(joint)
    with pytest.raises(ConfigError, match="a population with mean SEDs of its own"):
        joint.shared(phi)
    with pytest.raises(ConfigError, match="which surfaces=fixed holds"):
        replace(model("Dust"), selection=selected)


def test_the_selection_of_another_sample_is_refused(selected):
    dust = model("Dust", trained=False)
    with pytest.raises(ConfigError, match="of 5 supernovae, the sample has 12"):
        replace(dust, selection=selected.take(torch.arange(5)))
    swapped = selected.take(torch.tensor([*range(2, 12), 0, 1]))
    with pytest.raises(ConfigError, match="of other supernovae: the distance of SN"):
        replace(dust, selection=swapped)


def test_a_run_goes_on_with_its_own_selection_only(selected, tmp_path):
    brief = TrainingSettings(
        sampler="svi", chains=2, draws=4, mode_iterations=3, svi_iterations=3, svi_draws=2
    )
    trained = train(with_selection(selected), brief, tmp_path)
    text = write_training(trained, tmp_path / "products")
    assert f"selected by {LIMIT} (learnt from 1500 injections, seed 0)" in text
    again = train(with_selection(selected), brief, tmp_path)
    torch.testing.assert_close(again.draws["tau_a"], trained.draws["tau_a"])
    for other in (None, replace(selected, rule="another")):
        with pytest.raises(ConfigError, match="another run"):
            train(with_selection(other), brief, tmp_path)


@pytest.mark.slow
def test_the_population_behind_a_magnitude_limit_is_recovered():
    """Three samples: without the selection τ_A is too low by several σ, with it it is right."""
    sed, pulls = t21(), {"off": [], "on": []}
    truth = {k: torch.tensor(v, dtype=torch.float64) for k, v in SETTINGS.items()}
    every = HierarchicalModel(supernovae(320), FixedSED(sed), Dust())
    for seed in range(3):
        seen = selected_sample(every, {"peak": LIMIT}, truth, seed)
        selection = PeakSelection({"peak": LIMIT})(sed, seen)
        for name, what in (("off", None), ("on", selection)):
            fitted = HierarchicalModel(seen, FixedSED(sed), Dust(), selection=what)
            tau_a = train(fitted, TrainingSettings(sampler="svi", seed=seed)).draws["tau_a"]
            pulls[name].append(float((tau_a.mean() - SETTINGS["tau_a"]) / tau_a.std()))
    off, on = (torch.tensor(pulls[k]) for k in ("off", "on"))
    assert float(off.mean()) < -2.5
    assert float(on.abs().max()) < 2.5
    assert abs(float(on.mean())) < 1.5
