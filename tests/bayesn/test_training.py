"""Training from end to end: small ones of every kind, resume, and stock Pyro as the oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_hierarchy import model, trained_values

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.populations import GlobalRV, PopulationRV
from sntorch.bayesn.simulated_sample import simulate_sample
from sntorch.bayesn.starting_surfaces import at_knots
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.bayesn.training import CHAINS, START, Trained, TrainingSettings, train
from sntorch.errors import ConfigError, DataError
from sntorch.inference.diagnostics import ess_mean
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel

KNOTS = ([3500.0, 5000.0, 7000.0, 9500.0], [-10.0, 10.0, 40.0])
SHORT = TrainingSettings(
    chains=2,
    warmup=4,
    draws=5,
    block=2,
    max_tree_depth=2,
    seed=3,
    mode_iterations=6,
    svi_iterations=6,
    svi_draws=2,
)
SVI, MAP = replace(SHORT, sampler="svi"), replace(SHORT, sampler="map")
SAMPLERS = {"nuts": SHORT, "svi": SVI, "map": MAP}
SHARED = {"w0": (4, 3), "w1": (4, 3), "sigma_epsilon": (6,), "l_omega": (6, 6)}
# Blocks of the warm-up, at the ends of the first three of which coordinates learn, and of draws.
WARMING, SAMPLING = 4, 3


@pytest.fixture(scope="module")
def sed():
    """T21 at few knots: six residuals."""
    return SEDModel(at_knots(SEDParameters.from_name("t21"), *KNOTS))


@pytest.fixture(scope="module")
def small(sed):
    return model(sed=sed)


@pytest.fixture(scope="module")
def undisturbed(small):
    """One training of each kind; at once, for the dataclass that they give is only read."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {name: train(small, settings) for name, settings in SAMPLERS.items()}
    torch.set_num_threads(threads)
    return found


def assert_same(found, wanted, **close):
    assert found.draws.keys() == wanted.draws.keys()
    for name, value in wanted.draws.items():
        if close:
            torch.testing.assert_close(found.draws[name], value, **close)
        else:
            assert torch.equal(found.draws[name], value), name


# ---- what comes back ----


@pytest.mark.parametrize(
    ("sampler", "length"), [("nuts", (2, 5)), ("svi", (2, 5)), ("map", (1, 1))]
)
def test_shapes_of_all_draws(sampler, length, undisturbed):
    draws = undisturbed[sampler].draws
    own = {"theta": (12,), "av": (12,), "ds": (12,), "epsilon": (12, 6)}
    scalars = dict.fromkeys(("tau_a", "sigma0", "rv"), ())
    shapes = {name: tuple(value.shape) for name, value in draws.items()}
    assert shapes == {k: (*length, *v) for k, v in {**SHARED, **scalars, **own}.items()}
    for name, value in draws.items():
        assert bool(value.isfinite().all()), name
    for name in ("tau_a", "sigma0", "av", "sigma_epsilon"):
        assert bool((draws[name] > 0).all()), name
    # One scale of θ, which the mode draws to zero; rows of a correlation's factor.
    if sampler != "map":
        assert torch.allclose(draws["theta"].std(-1, correction=0), torch.ones(length).double())
    assert torch.allclose(draws["l_omega"].norm(dim=-1), torch.ones(*length, 6).double())


def test_what_else_comes_back(undisturbed):
    nuts, svi, mode = (undisturbed[name] for name in SAMPLERS)
    assert set(nuts.seconds) == {"mode", "laplace", "svi", "nuts"}
    assert set(svi.seconds) == {"mode", "laplace", "svi"}
    assert set(mode.seconds) == {"mode"}
    assert all(wall > 0 for wall, _ in nuts.seconds.values())
    assert nuts.energy.shape == (2, 5)
    assert svi.energy is None
    assert nuts.elbo.shape == svi.elbo.shape == (6,)
    assert mode.elbo is None
    assert {k: v.shape for k, v in nuts.sums.items()} == dict.fromkeys(
        ("leapfrogs", "divergences", "accepted", "depths"), (2,)
    )
    assert svi.sums == mode.sums == {}
    assert svi.divergences == mode.divergences == 0


def test_divergences_are_counted_over_chains(small):
    counts = {"divergences": torch.tensor([2.0, 0.9999999])}
    assert Trained(small, SHORT, {}, counts).divergences == 3


@pytest.mark.parametrize("sampler", ["map", "svi"])
def test_times_of_maximum_far_from_the_header_s(sampler, sed):
    """Where t_max is no straight line in the variable that is searched."""
    made = model(sed=sed)
    shift = torch.tensor([-8.0, -6.0, 0.0, 3.0, 6.0, 8.0]).double().repeat(2)
    o = made.sample.observations
    moved = replace(o, phase=o.phase + shift[:, None, None])
    sample = replace(made.sample, observations=moved)
    late = HierarchicalModel(sample, FixedSED(sed), GlobalRV(), free_tmax=True)
    settings = replace(SHORT, sampler=sampler, draws=40, mode_iterations=60, svi_iterations=30)
    tmax = train(late, settings).draws["tmax"].mean((0, 1))
    assert float((tmax - shift).abs().max()) < 1.5
    assert float((tmax - shift).square().mean().sqrt()) < 0.6


def test_populations_and_free_times_of_maximum(sed):
    made = model("PopulationRV", magnitudes=False, free_tmax=True, n=4, sed=sed)
    draws = train(made, replace(SHORT, draws=4, svi_iterations=2)).draws
    assert draws["rv_sn"].shape == draws["tmax"].shape == (2, 4, 4)
    assert bool((draws["rv_sn"] > 1.2).all())
    assert float(draws["tmax"].abs().max()) < 10
    assert draws["mu_r"].shape == (2, 4)


def test_a_held_sed_is_not_drawn(small, sed):
    made = HierarchicalModel(small.sample, FixedSED(sed), GlobalRV())
    found = train(made, replace(SVI, keep="scalars"))
    assert set(found.draws) == {"sigma0", "tau_a", "rv", "theta", "av", "ds"}


# ---- the same again ----


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_gives_the_same_draws(sampler, small, undisturbed):
    settings = SAMPLERS[sampler]
    assert_same(train(small, settings), undisturbed[sampler])


def test_another_seed_gives_others(small, undisturbed):
    other = train(small, replace(SVI, seed=4)).draws["rv"]
    assert not bool((other == undisturbed["svi"].draws["rv"]).any())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_threads_change_the_last_digits_only(sampler, small, undisturbed):
    found = train(small, replace(SAMPLERS[sampler], threads=2))
    assert_same(found, undisturbed[sampler], rtol=1e-8, atol=1e-8)


# ---- resume ----


class KilledError(Exception):
    pass


@pytest.mark.parametrize("blocks", [1, 3, WARMING + 1])
def test_a_killed_training_goes_on(blocks, small, undisturbed, tmp_path):
    told = []

    def watch(status):
        told.append(status.index)
        if len(told) == blocks:
            raise KilledError

    with pytest.raises(KilledError):
        train(small, SHORT, tmp_path, watch)
    assert len(list((tmp_path / CHAINS).glob("chunk_*"))) == blocks
    kept = (tmp_path / START / "chunk_000000.safetensors").read_bytes()
    steps = []
    found = train(small, SHORT, tmp_path, progress=lambda step, done: steps.append(step))
    assert_same(found, undisturbed["nuts"])
    assert torch.equal(found.energy, undisturbed["nuts"].energy)
    assert torch.equal(found.elbo, undisturbed["nuts"].elbo)
    for name, value in undisturbed["nuts"].sums.items():
        assert torch.equal(found.sums[name], value), name
    # The start is read back, its time with it.
    assert set(steps) <= {"nuts"}
    assert set(found.seconds) == {"mode", "laplace", "svi", "nuts"}
    assert (tmp_path / START / "chunk_000000.safetensors").read_bytes() == kept


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "seed=3 there, 4 now"),
        ({"svi_iterations": 7}, "svi_iterations=6 there, 7 now"),
        ({"warmup": 6}, "warmup=4 there, 6 now"),
    ],
)
def test_a_folder_of_another_run_is_refused(changes, words, small, tmp_path):
    train(small, MAP, tmp_path)
    with pytest.raises(ConfigError, match=words):
        train(small, replace(MAP, **changes), tmp_path)


def test_more_draws_go_on(small, undisturbed, tmp_path):
    train(small, SHORT, tmp_path)
    started = {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("chunk_*")}
    longer = train(small, replace(SHORT, draws=7), tmp_path)
    for name, value in undisturbed["nuts"].draws.items():
        # The same draws, whose parameters are computed together with others.
        torch.testing.assert_close(longer.draws[name][:, :5], value, rtol=1e-10, atol=1e-12)
    kept = {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("chunk_*")}
    # The block that the shorter run ended in the middle of is done again.
    last = max(started)
    assert {k: v for k, v in kept.items() if k < last} == {
        k: v for k, v in started.items() if k < last
    }


def test_a_folder_of_another_model_is_refused(small, sed, tmp_path):
    train(small, MAP, tmp_path)
    changed = simulate_sample(small, trained_values(sed), 0)[0]
    for other in (
        replace(small, population=PopulationRV()),
        replace(small, surfaces=TrainedSED(sed, sigma_scale=0.5)),
        replace(small, surfaces=FixedSED(sed)),
        replace(small, free_tmax=True),
        replace(small, sample=changed),
        small.take(torch.arange(11)),
    ):
        with pytest.raises(ConfigError, match="chunks of another run"):
            train(other, MAP, tmp_path)
    # What changes no draws is no other run.
    train(small, replace(MAP, threads=2, keep="scalars"), tmp_path)


# ---- who is told ----


def test_the_watcher_is_told_after_every_block(small):
    told, steps = [], {}
    train(small, SHORT, watch=told.append, progress=lambda k, v: steps.setdefault(k, []).append(v))
    assert [s.index for s in told] == list(range(WARMING + SAMPLING))
    assert [s.warming for s in told] == [True] * WARMING + [False] * SAMPLING
    assert told[-1].done == 1
    for status in told:
        for name in ("step_size", "acceptance", "leapfrogs", "divergences"):
            assert getattr(status, name).shape == (2,), name
        assert bool(((status.acceptance >= 0) & (status.acceptance <= 1)).all())
        assert set(status.parameters) == {"tau_a", "sigma0", "rv"}
    lengths = [s.parameters["rv"].shape for s in told]
    assert lengths == [(2, n) for n in (1, 1, 1, 1, 2, 2, 1)]
    assert list(steps) == ["mode", "svi", "nuts"]
    for values in steps.values():
        assert max(values) == pytest.approx(1)


# ---- bad input ----


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"sampler": "hmc"}, "sampler=hmc: accepted are nuts, svi, map"),
        ({"keep": "none"}, "keep=none: accepted are all, scalars"),
        ({"svi_draws": 3}, "svi_draws=3: an even number"),
        ({"svi_draws": 0}, "svi_draws=0: at least 1"),
        ({"mode_iterations": 0}, "mode_iterations=0: at least 1"),
        ({"threads": 1.5}, "threads=1.5"),
        ({"warmup": 1}, "warmup=1: at least 4"),
    ],
)
def test_settings_that_are_not_accepted(setting, words):
    with pytest.raises(ConfigError, match=words):
        TrainingSettings(**setting)


def test_a_density_that_is_no_number(small):
    o = small.sample.observations
    bad = replace(o, flux=torch.full_like(o.flux, torch.nan))
    spoiled = replace(small, sample=replace(small.sample, observations=bad))
    with pytest.raises(DataError, match="no number at the initial point"):
        train(spoiled, MAP)


# ---- the oracle ----


@pytest.mark.slow
def test_agrees_with_stock_pyro(sed):
    """NUTS of Pyro on the model as it is written, and ours: means within the Monte-Carlo error."""
    from pyro.infer import MCMC, NUTS
    from pyro.infer.autoguide.initialization import init_to_value

    sample, _ = simulate_sample(model(sed=sed), trained_values(sed), seed=8)
    made = HierarchicalModel(sample, FixedSED(sed), GlobalRV())
    ours = train(made, TrainingSettings(warmup=100, draws=250, svi_iterations=60, seed=1))
    torch.manual_seed(1)
    # From Pyro's own random start the chain stays where it begins, at magnitudes of dust.
    near = init_to_value(values={k: v[0, -1] for k, v in ours.draws.items()})
    kernel = NUTS(made, max_tree_depth=6, init_strategy=near)
    mcmc = MCMC(kernel, num_samples=150, warmup_steps=60, disable_progbar=True)
    mcmc.run()
    theirs = {k: v[None] for k, v in mcmc.get_samples().items()}
    for name in ("tau_a", "rv", "sigma0"):
        one, two = ours.draws[name], theirs[name]
        error = sum(float(d.var() / ess_mean(d)) for d in (one, two)) ** 0.5
        off = float(one.mean() - two.mean())
        assert abs(off) < 4 * error, (name, off, error)
        assert 0.6 < float(one.std() / two.std()) < 1.6, name
    assert ours.divergences < 10


@pytest.mark.slow
def test_recovers_what_was_simulated(sed):
    """Sixty supernovae of a known population and SED."""
    made = model(sed=sed)
    made = made.take(torch.arange(12).repeat(5))
    made.sample.object_id = [f"SN{i}" for i in range(60)]
    values = trained_values(sed)
    sample, own = simulate_sample(made, values, seed=4)
    found = train(
        HierarchicalModel(sample, TrainedSED(sed), GlobalRV()),
        TrainingSettings(chains=2, warmup=100, draws=100, svi_iterations=100, seed=2),
    )
    assert found.divergences < 5
    for name in ("tau_a", "sigma0", "rv"):
        draws = found.draws[name]
        score = float((draws.mean() - values[name]) / draws.std())
        assert abs(score) < 3.5, (name, score)
    score = (found.draws["av"].mean((0, 1)) - own["av"]) / found.draws["av"].std((0, 1))
    assert float(score.square().mean()) < 2.5
    # The sign of θ is a convention, which the truth need not follow.
    theta = found.draws["theta"].mean((0, 1))
    assert abs(float(torch.corrcoef(torch.stack([theta, own["theta"]]))[0, 1])) > 0.9
