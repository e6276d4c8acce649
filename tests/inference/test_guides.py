"""The zero-lower-truncated guide in Pyro's own SVI."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro.infer import SVI, Trace_ELBO

from sntorch.errors import ConfigError
from sntorch.inference.density import ModelDensity
from sntorch.inference.guides import ZeroTruncatedGuide
from sntorch.inference.preconditioning import at_mode
from sntorch.inference.truncated import ZeroTruncatedNormal

LEVEL = torch.tensor([0.1, 1.0, -0.5], dtype=torch.float64)


def model():
    """Posteriors that are known: A a truncated normal, the others normal given it."""
    with pyro.plate("sn", len(LEVEL), dim=-1):
        a = pyro.sample("a", ZeroTruncatedNormal(LEVEL, torch.full_like(LEVEL, 0.5)))
        x = pyro.sample("x", dist.Normal(2 * a, 0.3))
        pyro.sample("y", dist.Normal(torch.stack([x, -x], -1), 1.0).to_event(1))


@pytest.mark.slow
def test_svi_finds_the_exact_posterior():
    pyro.clear_param_store()
    pyro.set_rng_seed(1)
    density = ModelDensity(model, "sn")
    start = at_mode(density, density.prior_medians()[:, 0]).coordinates
    guide = ZeroTruncatedGuide(density, start)
    exact = LEVEL.clone()
    with torch.no_grad():
        guide.loc += 0.3
    svi = SVI(
        model,
        guide,
        pyro.optim.ClippedAdam({"lr": 0.02, "lrd": 0.995}),
        Trace_ELBO(8, vectorize_particles=False),
    )
    losses = [svi.step() for _ in range(400)]
    assert sum(losses[-20:]) < sum(losses[:20])
    loc, scale = guide.loc.detach(), guide.scale_tril.detach()
    found = ZeroTruncatedNormal(loc[:, 0], scale[:, 0, 0]).mean
    wanted = ZeroTruncatedNormal(exact, torch.full_like(exact, 0.5)).mean
    assert torch.allclose(found, wanted, atol=0.05)
    # ln p = ln q + 0: the evidence of a model without data is one.
    assert abs(sum(losses[-50:]) / 50) < 0.15


def test_a_model_without_a_positive_first_site_is_refused():
    def flat():
        with pyro.plate("sn", 2, dim=-1):
            pyro.sample("x", dist.Normal(torch.zeros(2, dtype=torch.float64), 1.0))

    density = ModelDensity(flat, "sn")
    with pytest.raises(ConfigError, match="not positive"):
        ZeroTruncatedGuide(density, at_mode(density, density.prior_medians()[:, 0]).coordinates)
