"""A flow over the observations of a light curve: encoding, loss, and generation.

The distribution is factorised as p(epochs) p(photometry | epochs, condition). Epochs are those of
training objects, or a second flow makes them.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``T`` tokens, ``P`` numbers of the
condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.generative.conditions import Conditions
from sntorch.generative.data_augmentation import SmallSampleAugmentation, thinned
from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.encoding.base import phase_of, usable_objects, usable_rows
from sntorch.generative.flow_paths import draw_flow_times, integrate, on_path
from sntorch.generative.flow_space import LEVEL, EpochSpace, PhotometrySpace
from sntorch.generative.requests import TrainingObjects
from sntorch.generative.tokens import TokenLayout
from sntorch.nn.rnn import masked_mean
from sntorch.nn.set_transformer import sinusoids

PHOTOMETRY, EPOCHS = "photometry", "epochs"
N_PHASE_FREQUENCIES = 8
# Standardised phase with its sines and cosines; place in the band, its length, "the first epoch".
N_FEATURES = {PHOTOMETRY: 1 + 2 * N_PHASE_FREQUENCIES, EPOCHS: 3}
N_STATE = {PHOTOMETRY: 3, EPOCHS: 1}
# A velocity by the name of what flows: (name, state, flow time, features, band, mask, condition).
Networks = Callable[..., Tensor]


class FlowNetworks(nn.Module):
    """The velocities of photometry and, where learned, of epochs, by name."""

    def __init__(self, **networks: nn.Module) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(networks)

    def forward(self, name: str, *inputs: Tensor) -> Tensor:
        """Velocity of the named network."""
        return self.nets[name](*inputs)


@dataclass(frozen=True)
class Encoded:
    """Objects as the flow sees them.

    Attributes:
        days: Days since the reference time, shape (B, L, F).
        value: Encoded values, shape (B, L, F).
        error: Encoded errors, shape (B, L, F).
        mask: True where there is an observation, shape (B, L, F).
        t_ref: Reference times, MJD, shape (B,).
        label: Classes, shape (B,), -1 where unknown.
        numbers: Numbers to condition on, shape (B, P), NaN where unknown.
    """

    days: Tensor
    value: Tensor
    error: Tensor
    mask: Tensor
    t_ref: Tensor
    label: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    @classmethod
    def of(
        cls, batch: LightCurveBatch, encoding: MagnitudeEncoding, conditions: Conditions
    ) -> Encoded:
        """The usable observations of a batch; objects without any are left out."""
        batch = usable_objects(batch)
        rows = usable_rows(batch)
        rows = replace(rows, time=phase_of(rows))
        parts = rows.time, *encoding.photometry_code(rows), rows.mask
        parts = *parts, batch.t_ref, *conditions.read(batch)
        seen = rows.mask.flatten(1).any(1)
        return cls(*(part[seen] for part in parts))


class LightCurveFlow(nn.Module):
    """All of a flow that is fitted before its networks are trained.

    Args:
        encoding: Fitted encoding of magnitudes and errors.
        objects: What is known of the training objects.
        flow_times: ``logit_normal`` or ``uniform``.
        learns_epochs: Whether a second flow makes epochs.
    """

    def __init__(
        self,
        encoding: MagnitudeEncoding,
        objects: TrainingObjects,
        flow_times: str,
        learns_epochs: bool,
    ) -> None:
        super().__init__()
        self.encoding, self.conditions, self.epochs = encoding, objects.conditions, objects.epochs
        self.space, self.epoch_space = PhotometrySpace(), EpochSpace()
        self.augmentation = SmallSampleAugmentation()
        self.flow_times, self.learns_epochs = flow_times, learns_epochs

    @classmethod
    def fit(
        cls,
        batch: LightCurveBatch,
        names: Sequence[str],
        flow_times: str,
        learns_epochs: bool,
        previous: LightCurveFlow | None = None,
    ) -> LightCurveFlow:
        """Fit to all training objects.

        Args:
            batch: All training objects.
            names: Properties to condition on.
            flow_times: ``logit_normal`` or ``uniform``.
            learns_epochs: Whether a second flow makes epochs.
            previous: A flow whose coordinates and codes are kept, for its networks were trained
                with them.

        Raises:
            DataError: A band without observations, or no object with any.
            ConfigError: A property that the objects do not have.
        """
        batch = usable_objects(batch)
        encoding = MagnitudeEncoding.fit(batch) if previous is None else previous.encoding
        mask = usable_rows(batch).mask
        seen = mask.flatten(1).any(1)
        batch, old = batch[seen], None if previous is None else previous.objects
        objects = TrainingObjects.of(names, batch, mask[seen], old)
        flow = cls(encoding, objects, flow_times, learns_epochs)
        if previous is not None:
            flow.space, flow.epoch_space = previous.space, previous.epoch_space
            return flow
        known = flow.encode(batch)
        layout = TokenLayout.of(known.mask)
        flow.space.fit(layout.gather(known.value).float(), layout.mask)
        flow.epoch_space.fit(known.days, known.mask)
        return flow

    @property
    def objects(self) -> TrainingObjects:
        """What is known of the training objects."""
        return TrainingObjects(self.encoding.bands, self.conditions, self.epochs)

    def encode(self, batch: LightCurveBatch) -> Encoded:
        """The usable observations of a batch."""
        return Encoded.of(batch, self.encoding, self.conditions)

    # -------------------------------------------------------------------- loss

    def losses(
        self,
        networks: Networks,
        known: Encoded,
        hidden: float,
        augment: bool,
        most: int | None = None,
    ) -> dict[str, Tensor]:
        """Squared errors of the velocities, one number for each network.

        Args:
            networks: The velocities.
            known: Objects, at least one.
            hidden: Share of the conditions that are hidden.
            augment: Whether objects are changed as ``SmallSampleAugmentation`` says.
            most: Observations of an object that are looked at; None for all.
        """
        days, value, mask, numbers = known.days, known.value, known.mask, known.numbers
        if augment:
            days, value, mask = self.augmentation(self.encoding, days, value, mask)
            numbers = self.conditions.blurred(numbers, self.augmentation.numbers)
        condition = self.conditions(*self.conditions.hide(known.label, numbers, hidden))
        layout = TokenLayout.of(mask if most is None else thinned(mask, most))
        inputs = layout.gather(value).float(), layout.gather(known.error).float(), layout.mask
        losses = {
            PHOTOMETRY: self._photometry_loss(
                networks, self.space(*inputs), self._features(days, layout), layout, condition
            )
        }
        if self.learns_epochs:
            # Dropped observations leave gaps that no survey has: epochs are learned as they are.
            layout = TokenLayout.of(known.mask)
            code = layout.gather(self.epoch_space(known.days)).float()[..., None]
            features = self._epoch_features(layout)
            losses[EPOCHS] = self._epoch_loss(networks, code, features, layout, condition)
        return losses

    def _photometry_loss(
        self,
        networks: Networks,
        data: Tensor,
        features: Tensor,
        layout: TokenLayout,
        condition: Tensor,
    ) -> Tensor:
        mask = layout.mask
        objects = torch.randn(len(data), device=data.device)
        noise = self.space.noise(objects, torch.randn_like(data[..., 1:]), mask)
        s = draw_flow_times(self.flow_times, len(data), data.device)
        point = on_path(noise, data, s)
        found = networks(PHOTOMETRY, point, s, features, layout.band, mask, condition)
        wrong = (self.space.project(found, mask) - (data - noise)).square()
        # The level is one number an object, shape and error are one each an observation.
        each = masked_mean(wrong, mask)
        return each[:, LEVEL].mean() + wrong[..., 1:].sum() / mask.sum()

    def _epoch_loss(
        self,
        networks: Networks,
        data: Tensor,
        features: Tensor,
        layout: TokenLayout,
        condition: Tensor,
    ) -> Tensor:
        noise = torch.randn_like(data)
        s = draw_flow_times(self.flow_times, len(data), data.device)
        point = on_path(noise, data, s)
        found = networks(EPOCHS, point, s, features, layout.band, layout.mask, condition)
        wrong = (found - (data - noise)).square()[..., 0]
        return torch.where(layout.mask, wrong, 0.0).sum() / layout.mask.sum()

    # -------------------------------------------------------------- generation

    def make_photometry(
        self,
        velocity: Networks,
        days: Tensor,
        layout: TokenLayout,
        noise: tuple[Tensor, Tensor],
        n_steps: int,
    ) -> tuple[Tensor, Tensor]:
        """Fluxes and errors, each (B, L, F), at given epochs.

        Args:
            velocity: Of the named network: (name, state, flow time, features, band, mask).
            days: Phases, shape (B, L, F).
            layout: Where the observations are.
            noise: Standard normal numbers, shapes (B,) and (B, T, 2).
            n_steps: Steps of the integration.
        """
        features, mask = self._features(days, layout), layout.mask

        def flow(state: Tensor, s: Tensor) -> Tensor:
            found = velocity(PHOTOMETRY, state, s, features, layout.band, mask)
            return self.space.project(found, mask)

        state = integrate(flow, self.space.noise(*noise, mask), n_steps)
        columns = (layout.scatter(tokens).double() for tokens in self.space.inverse(state))
        return self.encoding.photometry(days, *columns)

    def make_epochs(
        self, velocity: Networks, layout: TokenLayout, noise: Tensor, n_steps: int
    ) -> Tensor:
        """Phases in days, shape (B, L, F), sorted along L; ``noise`` (B, T)."""
        features = self._epoch_features(layout)

        def flow(state: Tensor, s: Tensor) -> Tensor:
            return velocity(EPOCHS, state, s, features, layout.band, layout.mask)

        code = integrate(flow, noise[..., None] * layout.mask[..., None], n_steps)
        return self.epoch_space.inverse(layout.scatter(code[..., 0]))

    def _features(self, days: Tensor, layout: TokenLayout) -> Tensor:
        mean, scale = self.encoding.phase_moments
        phase = layout.gather((days - mean) / scale).float()
        return torch.cat([phase[..., None], sinusoids(phase, 8.0, 0.25, N_PHASE_FREQUENCIES)], -1)

    def _epoch_features(self, layout: TokenLayout) -> Tensor:
        length = layout.counts.gather(1, layout.band)
        place = layout.step / length.clamp(min=1)
        share = length / self.epoch_space.longest
        return torch.stack([place, share, (layout.step == 0).float()], -1)
