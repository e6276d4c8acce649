"""The transformer pair of the GAN keeps its contracts and sees what it should see."""

from __future__ import annotations

import pytest
import torch
from toys import BANDS, population, served, trainer, transformer

from sntorch.generative import Generator
from sntorch.generative.encoding import MagnitudeEncoding, MinMaxEncoding
from sntorch.generative.gan_transformer import TransformerCritic, TransformerGenerator
from sntorch.generative.lengths import mask_from_counts
from sntorch.generative.losses import RelativisticLoss
from sntorch.testing import (
    CriticNetworkContract,
    GenerativeModelContract,
    GeneratorNetworkContract,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


class WithMagnitudes:
    def make_encoding(self, n_bands):
        return MagnitudeEncoding.fit(population(12, bands=BANDS[:n_bands]))


class TestTransformerGenerator(WithMagnitudes, GeneratorNetworkContract):
    def make(self, n_bands, n_condition):
        torch.manual_seed(1)
        return TransformerGenerator(n_bands, n_condition, width=8)


class TestTransformerCritic(WithMagnitudes, CriticNetworkContract):
    def make(self, n_bands, n_condition):
        torch.manual_seed(1)
        return TransformerCritic(n_bands, n_condition, width=8)


class TestTransformerGANContract(GenerativeModelContract):
    def make(self):
        model = transformer()
        model.fit_encoding(population(40, missing=True))
        return model


def test_training_changes_every_parameter_and_a_checkpoint_gives_the_same_samples(tmp_path):
    train, model, run = population(40), transformer(), trainer(1, limit_val_batches=0)
    model.fit_encoding(train)
    networks = (model.generator, model.critic)
    before = [p.detach().clone() for network in networks for p in network.parameters()]
    run.fit(model, served(train))
    after = [p for network in networks for p in network.parameters()]
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    run.save_checkpoint(tmp_path / "last.ckpt", weights_only=False)
    again = Generator.from_pretrained(tmp_path)
    ours, theirs = model.sample(20, seed=5), again.sample(20, seed=5)
    assert torch.equal(ours.flux, theirs.flux)
    assert torch.equal(ours.time, theirs.time)


def drawn(n_bands=3, n_objects=4, n_steps=5):
    torch.manual_seed(0)
    mask = torch.ones(n_objects, n_steps, n_bands, dtype=torch.bool)
    network = TransformerGenerator(n_bands, n_condition=2, width=8)
    z = torch.randn(n_objects, network.n_latent)
    return network, z, torch.randn(n_objects, n_steps, network.n_step_noise), mask


@pytest.fixture
def encoding():
    return MagnitudeEncoding.fit(population(12))


def test_conditions_change_the_light_curves_and_the_scores(encoding):
    network, z, steps, mask = drawn()
    rows = [network(z, steps, mask, encoding, None, torch.full((4, 2), c)) for c in (0.0, 1.0)]
    assert not torch.allclose(*rows)
    critic = TransformerCritic(3, n_condition=2, width=8)
    scores = [critic(rows[0], mask, encoding, torch.full((4, 2), c)) for c in (0.0, 1.0)]
    assert not torch.allclose(*scores)


def test_given_times_come_back_and_nan_asks_for_generated_ones(encoding):
    network, z, steps, mask = drawn()
    times = torch.randn(4, 5, 3)
    given = network(z, steps, mask, encoding, times, torch.zeros(4, 2))
    later = network(z, steps, mask, encoding, times + 1, torch.zeros(4, 2))
    assert torch.equal(given[..., :3], times)
    assert not torch.allclose(given[..., 3:], later[..., 3:])
    times[1:] = torch.nan
    mixed = network(z, steps, mask, encoding, times, torch.zeros(4, 2))
    free = network(z, steps, mask, encoding, None, torch.zeros(4, 2))
    assert torch.equal(mixed[:1, :, :3], times[:1])
    torch.testing.assert_close(mixed[1:], free[1:])


@pytest.mark.parametrize("kind", [MagnitudeEncoding, MinMaxEncoding])
def test_bands_of_a_night_are_observed_together_and_in_order(kind):
    encoding = kind.fit(population(12))
    network, z, steps, _ = drawn(n_objects=40)
    mask = mask_from_counts(torch.randint(4, 6, (40, 3)), 5)
    z, steps = torch.randn(40, network.n_latent), torch.randn(40, 5, network.n_step_noise)
    with torch.no_grad():
        rows = network(z, steps, mask, encoding, None, torch.zeros(40, 2))
    phase = encoding.phase(rows)
    assert bool((phase.diff(dim=1)[mask[:, 1:]] >= 0).all())
    full = mask.all(-1).all(-1)
    assert bool(full.any())
    assert float(phase[full].std(-1).max()) < 0.1 * float(phase[full].std())


def wrong_colours(x, mask):
    """Each object's first band shifted by one number."""
    shift = torch.zeros(len(x), 1, x.shape[-1])
    shift[..., 3] = torch.randn(len(x), 1)
    return x + shift * mask.repeat(1, 1, 3)


def wrong_scatter(x, mask):
    """Values that scatter more than their errors say."""
    noise = torch.zeros_like(x)
    noise[..., 3:6] = 0.3 * torch.randn_like(noise[..., 3:6])
    return x + noise * mask.repeat(1, 1, 3)


@pytest.mark.parametrize("spoil", [wrong_colours, wrong_scatter])
def test_the_critic_learns_to_see(spoil, encoding):
    torch.manual_seed(0)
    critic, loss = TransformerCritic(3, width=16), RelativisticLoss(gamma=0.01)
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3, betas=(0.0, 0.99))
    x, mask = encoding.encode(population(128, seed=1))

    def score(rows, seen):
        return critic(rows, seen, encoding)

    for step in range(60):
        value, _ = loss.critic(score, x, spoil(x, mask), mask, step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    fresh, seen = encoding.encode(population(200, seed=2))
    with torch.no_grad():
        right = (score(fresh, seen) > score(spoil(fresh, seen), seen)).float().mean()
    assert float(right) > 0.8
