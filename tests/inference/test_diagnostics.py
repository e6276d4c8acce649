"""R-hat, effective sample sizes and k-hat against ArviZ and against known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sntorch.inference import diagnostics
from sntorch.inference.diagnostics import (
    diagnose,
    ess_bulk,
    ess_mean,
    ess_tail,
    psis_k_hat,
    psis_weights,
    rhat,
)

STATISTICS = {"rhat": rhat, "ess_bulk": ess_bulk, "ess_tail": ess_tail, "ess_mean": ess_mean}


def autoregressive(n, chains, length, rho, shift=0.0, seed=0):
    """AR(1) chains of unit variance whose means differ by ``shift``."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, chains, length))
    draws = np.empty_like(noise)
    draws[..., 0] = noise[..., 0]
    for t in range(1, length):
        draws[..., t] = rho * draws[..., t - 1] + math.sqrt(1 - rho**2) * noise[..., t]
    return torch.from_numpy(draws + shift * rng.normal(size=(n, chains, 1)))


CHAINS = {
    "good": autoregressive(20, 4, 250, 0.5),
    "an odd number of draws": autoregressive(20, 4, 251, 0.3),
    "slow": autoregressive(20, 4, 251, 0.95, 0.3),
    "antithetic": autoregressive(20, 2, 100, -0.6),
    "apart": autoregressive(20, 4, 40, 0.3, 2.0),
    "ties": autoregressive(20, 4, 60, 0.3).mul(5).round().div(5),
    "single precision": autoregressive(20, 3, 80, 0.3).float(),
    **{f"{n} draws": autoregressive(20, 3, n, 0.2) for n in range(4, 11)},
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("draws", CHAINS.values(), ids=CHAINS.keys())
def test_agrees_with_arviz(draws, name):
    arviz = pytest.importorskip("arviz")
    if int(arviz.__version__.split(".")[0]) > 0:
        pytest.skip("ArviZ 1.x takes no bare arrays here")
    method = {} if name == "rhat" else {"method": name.removeprefix("ess_")}
    function = arviz.rhat if name == "rhat" else arviz.ess
    expected = [float(function(one, **method)) for one in draws.double().numpy()]
    np.testing.assert_allclose(STATISTICS[name](draws).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("draws", CHAINS.values(), ids=CHAINS.keys())
def test_all_at_once_is_one_by_one(draws):
    together = diagnose(draws)
    for name in ("rhat", "ess_bulk", "ess_tail"):
        assert torch.equal(getattr(together, name), STATISTICS[name](draws))


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_effective_size_of_an_autoregressive_chain(rho):
    draws = autoregressive(40, 4, 1000, rho)
    expected = 4000 * (1 - rho) / (1 + rho)
    assert float(ess_mean(draws).mean()) == pytest.approx(expected, rel=0.05)
    assert float(ess_bulk(draws).mean()) == pytest.approx(expected, rel=0.05)


def test_rhat_sees_other_means_and_other_widths():
    draws = autoregressive(10, 4, 250, 0.0)
    moved, widened = draws.clone(), draws.clone()
    moved[:, 0] += 2
    widened[:, 0] *= 4
    assert rhat(draws).max() < 1.02
    assert rhat(moved).min() > 1.1
    assert rhat(widened).min() > 1.1


def test_rhat_is_the_same_for_any_scale_and_origin():
    draws = autoregressive(10, 4, 100, 0.5)
    assert torch.equal(rhat(draws), rhat(0.25 * draws))
    # Rounding makes or breaks a tie of the two draws that are nearest to the median.
    assert torch.allclose(rhat(draws), rhat(57000 + 0.01 * draws), rtol=1e-3)


def test_one_chain_is_split():
    drift = autoregressive(5, 1, 400, 0.0) + torch.linspace(0, 4, 400, dtype=torch.float64)
    assert rhat(drift).min() > 1.2
    assert rhat(autoregressive(5, 1, 400, 0.0)).max() < 1.03


@pytest.mark.parametrize("name", STATISTICS)
def test_what_has_no_diagnostics_is_nan_and_harms_nobody(name):
    draws = autoregressive(5, 4, 50, 0.2)
    clean = STATISTICS[name](draws)
    draws[0] = 3.1
    draws[1, 2, 7] = torch.nan
    draws[2, 0, 0] = torch.inf
    found = STATISTICS[name](draws)
    assert found[:3].isnan().all()
    assert torch.equal(found[3:], clean[3:])
    assert STATISTICS[name](draws[..., :3]).isnan().all()


def test_batch_shapes():
    draws = autoregressive(12, 4, 30, 0.2)
    for statistic in STATISTICS.values():
        shaped = statistic(draws.view(3, 2, 2, 4, 30))
        assert torch.equal(shaped, statistic(draws).view(3, 2, 2))
        assert statistic(draws[0]).shape == ()
        assert statistic(draws[:0]).shape == (0,)
    assert diagnose(draws[:0]).rhat.shape == (0,)


def test_the_chunk_changes_nothing(monkeypatch):
    draws = autoregressive(11, 4, 30, 0.2)
    whole = diagnose(draws)
    monkeypatch.setattr(diagnostics, "CHUNK", 4 * 4 * 30)
    assert torch.equal(diagnose(draws).ess_tail, whole.ess_tail)


def log_ratios(kind, n=30, size=1000):
    rng = np.random.default_rng(3)
    if kind == "ties":
        return rng.normal(size=(n, 200)).round(1)
    if kind == "few":
        return rng.normal(size=(n, 30))
    scale = {"light": 0.3, "normal": 1.0, "heavy": 2.5}[kind]
    return scale * rng.standard_t(30, size=(n, size))


@pytest.mark.parametrize("kind", ["light", "normal", "heavy", "ties", "few"])
def test_pareto_smoothing_agrees_with_arviz(kind):
    arviz = pytest.importorskip("arviz")
    if not hasattr(arviz, "psislw"):
        pytest.skip("ArviZ 1.x has another psislw")
    ratios = log_ratios(kind)
    log_weights, k_hat = arviz.psislw(ratios.copy())
    np.testing.assert_allclose(psis_k_hat(torch.from_numpy(ratios)).numpy(), k_hat, rtol=1e-9)
    # Which of equal ratios gets which order statistic is free.
    ours = psis_weights(torch.from_numpy(ratios)).sort(-1).values.numpy()
    np.testing.assert_allclose(ours, np.sort(np.exp(log_weights), -1), rtol=1e-8, atol=1e-300)


@pytest.mark.parametrize("k", [0.2, 0.5, 0.9])
def test_k_hat_finds_the_index_of_a_power_law(k):
    uniform = torch.rand(20, 20_000, generator=torch.Generator().manual_seed(1)).double()
    found = psis_k_hat(-k * torch.log(uniform))
    assert float(found.mean()) == pytest.approx(k, abs=0.06)


def test_weights_are_a_distribution_in_the_order_of_the_ratios():
    ratios = torch.from_numpy(log_ratios("normal"))
    weights = psis_weights(ratios + 1000)
    assert torch.allclose(weights.sum(-1), torch.ones(len(ratios)).double())
    assert torch.equal(weights.argsort(-1), ratios.argsort(-1))
    assert torch.allclose(weights, psis_weights(ratios))


def test_importance_weights_correct_a_mean():
    draws = torch.randn(50, 4000, generator=torch.Generator().manual_seed(2)).double() * 1.3
    ratios = -0.5 * (draws - 0.5) ** 2 + 0.5 * (draws / 1.3) ** 2
    assert psis_k_hat(ratios).max() < 0.7
    assert float((psis_weights(ratios) * draws).sum(-1).mean()) == pytest.approx(0.5, abs=0.01)


def test_unusable_ratios_are_said_to_be_so():
    ratios = torch.from_numpy(log_ratios("normal"))
    ratios[0, 3], ratios[1, 4], ratios[2] = torch.nan, torch.inf, -torch.inf
    ratios[3], ratios[4, 5] = 0.0, -torch.inf
    k_hat, weights = psis_k_hat(ratios), psis_weights(ratios)
    assert k_hat[:4].isinf().all()
    assert k_hat[4:].isfinite().all()
    assert weights[:3].isnan().all()
    assert torch.allclose(weights[3], torch.full((1000,), 1e-3).double())
    assert weights[4, 5] == 0
