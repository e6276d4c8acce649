"""Generators as a user writes them, outside the package."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from sntorch.generative.baselines import Baseline
from sntorch.generative.draws import sample_objects
from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.encoding.base import usable_objects
from sntorch.generative.requests import TrainingObjects, check_request
from sntorch.generative.training import TrainedGenerator


class VAE(TrainedGenerator):
    """Photometry from two latent numbers and the phase."""

    TRAINED, SAME, WHAT = ("reader", "writer"), (), "A variational autoencoder"
    follows_cadence = True

    def __init__(self, seed=0, n_validation=50, start_from=None):
        super().__init__()
        start = None if start_from is None else str(start_from)
        self.config = {"seed": seed, "n_validation": n_validation, "start_from": start}
        self.save_hyperparameters(self.config)

    def _fit(self, batch, previous):
        batch = usable_objects(batch)
        encoding = MagnitudeEncoding.fit(batch) if previous is None else previous.encoding
        self._build(encoding, TrainingObjects.of((), batch, encoding.encode(batch)[1]))

    def _rebuild(self, found, state):
        encoding = MagnitudeEncoding(found["bands"], found["zeropoint"])
        self._build(encoding, TrainingObjects.from_state((), found, state))

    def _build(self, encoding, known):
        self.encoding, self.bands = encoding, known.bands
        self.conditions, self.epochs = known.conditions, known.epochs
        n = encoding.n_bands
        self.reader = nn.Linear(3 * n, 4)
        self.writer = nn.Sequential(nn.Linear(2 + n, 16), nn.Tanh(), nn.Linear(16, 2 * n))

    @property
    def objects(self):
        return TrainingObjects(self.bands, self.conditions, self.epochs)

    @property
    def zeropoint(self):
        return self.encoding.zeropoint

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)

    def write(self, z, times):
        seen = torch.cat(
            [z[:, None].expand(-1, times.shape[1], -1), self.encoding.phase(times)], -1
        )
        return torch.cat([times, self.writer(seen)], -1)

    def training_step(self, batch, batch_idx):
        x, mask = self.encoding.encode(usable_objects(batch))
        mean, log_std = self.reader(x).mean(1).chunk(2, -1)
        z = mean + log_std.exp() * torch.randn_like(mean)
        wrong = (self.write(z, x[..., : len(self.bands)]) - x)[mask.repeat(1, 1, 3)]
        divergence = (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std).mean() / 2
        loss = wrong.square().mean() + divergence / mask.sum((1, 2)).float().mean()
        self.check_losses({"loss": loss})
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.iterations += 1

    @torch.no_grad()
    def sample_rows(self, n, *request, **_):
        lengths, condition, cadence, seed, temperature, _ = request
        asked = n, lengths, condition, cadence, seed, temperature, 0.0, "resampled", self.donors
        request = check_request(self.objects, *asked)
        sizes = 2, len(self.bands)  # latent numbers of an object, noise of a step
        where = self.zeropoint, self.device, 256
        return sample_objects(request, self.objects, sizes, *where, self.make)

    def make(self, draws):
        times = torch.where(draws.mask, self.encoding.time_code(draws.days), 0.0).float()
        x = self.write(draws.latent, times)
        return draws.days, *self.encoding.measured(x, draws.mask, draws.steps)[2]


@dataclass(eq=False)
class Stretched(Baseline):
    """Training objects, faster or slower; it declares nothing.

    Args:
        scatter: Standard deviation of a change of ln t.
    """

    scatter: float = 0.1

    def _draw(self, turn):
        i, seen = turn.own_light_curve(self.photometry, self.counts)
        stretch = (turn.temperature * self.scatter * turn.normal(1)).exp()
        return self._drawn_from(i, replace(seen, phase=stretch * seen.phase))


class Undecorated(Baseline):
    """A baseline whose author forgot the decorator."""

    def _draw(self, turn):
        return self._drawn_from(*turn.own_light_curve(self.photometry, self.counts))
