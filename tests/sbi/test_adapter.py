"""Estimators as posteriors of the sbi package, on a ratio that is known."""

import pytest
import torch
from sbi.diagnostics import check_sbc, check_tarp, run_sbc, run_tarp

from sntorch.errors import ConfigError
from sntorch.sbi import BoxPrior, RatioModule, SummarySimulator
from sntorch.sbi.adapter import sbi_posterior

PRIOR = BoxPrior(("a", "b"), (-4.0, -4.0), (4.0, 4.0))
SEEN = torch.tensor([[1.0, -0.5]])


class Exact:
    """θ seen with noise 0.5; the embedding is what was seen."""

    prior = PRIOR

    def log_ratio_embedded(self, theta, embedded):
        return -(((theta - embedded[:, None]) / 0.5) ** 2).sum(-1) / 2


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("slice_np_vectorized", {"num_chains": 20}),
        ("nuts_pyro", {"num_chains": 1, "warmup_steps": 40}),
        ("rejection", {}),
    ],
)
def test_samplers_find_the_posterior(method, options):
    torch.manual_seed(3)
    posterior = sbi_posterior(Exact(), method, **options)
    drawn = posterior.sample((300,), x=SEEN, show_progress_bars=False)
    torch.testing.assert_close(drawn.mean(0), SEEN[0], atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([0.5, 0.5]), atol=0.12, rtol=0)


def test_a_network_hands_itself_over():
    simulator = SummarySimulator(n=5, seed=1)
    embedding = {"_target_": "sntorch.sbi.embeddings.DeepSet", "width": 8, "n_outputs": 4}
    network = RatioModule(simulator.prior, embedding).eval()
    _, survey = simulator(0, 1)
    network.prepare(simulator(10, 64)[1])
    posterior = network.to_sbi("rejection").set_default_x(network.embed(survey).detach())
    drawn = posterior.sample((20,), show_progress_bars=False)
    low, high = torch.tensor(simulator.prior.low), torch.tensor(simulator.prior.high)
    assert drawn.shape == (20, 5)
    assert bool(((drawn >= low) & (drawn <= high)).all())
    theta = drawn[:3].double()
    expected = network.log_prob(theta[None], survey)[0]
    torch.testing.assert_close(posterior.potential(drawn[:3]), expected, atol=1e-4, rtol=0)


def test_variational_posterior():
    torch.manual_seed(3)
    posterior = sbi_posterior(Exact(), "vi").set_default_x(SEEN)
    settings = {"show_progress_bar": False, "quality_control": False}
    posterior.train(max_num_iters=60, n_particles=32, check_for_convergence=False, **settings)
    torch.testing.assert_close(posterior.sample((500,)).mean(0), SEEN[0], atol=0.2, rtol=0)


@pytest.mark.slow
def test_sbc_and_tarp_pass():
    torch.manual_seed(5)
    theta = 8 * torch.rand(100, 2) - 4
    seen = theta + 0.5 * torch.randn(100, 2)
    posterior = sbi_posterior(Exact(), num_chains=1, warmup_steps=20)
    quiet = {"show_progress_bar": False, "num_posterior_samples": 100}
    ranks, dap = run_sbc(theta, seen, posterior, **quiet)
    assert float(check_sbc(ranks, theta, dap, 100)["ks_pvals"].min()) > 0.01
    coverage, level = run_tarp(theta, seen, posterior, **quiet)
    assert check_tarp(coverage, level)[1] > 0.01


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="method magic"):
        sbi_posterior(Exact(), "magic")
