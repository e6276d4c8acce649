"""The contract of classifiers' networks; inherit it through ``sntorch.testing``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sntorch.classification.base import ClassifierNetwork, StepNetwork
from sntorch.data.batch import LightCurveBatch
from sntorch.nn.testing import assert_every_gradient, reloaded
from sntorch.simulation.testing import example_batch

BANDS, N_CLASSES, N_CONTEXT = ("desg", "desr", "desi"), 3, 4
TOLERANCE = 1e-5


class ClassifierNetworkContract(ABC):
    """What a network needs to serve in ``ClassifierModule``.

    ``make`` returns a network of small size for these bands, classes and numbers of context.
    """

    @abstractmethod
    def make(self, bands: Sequence[str], n_classes: int, n_context: int) -> ClassifierNetwork:
        """The network."""

    def test_logits_have_a_column_a_class(self) -> None:
        """Shape (B, C), finite, also without context."""
        batch = example_light_curves()
        assert _logits(self._fitted(), batch).shape == (len(batch), N_CLASSES)
        assert bool(_logits(self._fitted(n_context=0), batch).isfinite().all())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network, batch = self._fitted().train(), example_light_curves()
        context = _context(batch, network.n_context)
        loss = network(batch, context).square().sum()
        more = network.auxiliary_loss(batch, context)
        (loss if more is None else loss + more).backward()
        assert_every_gradient(network)

    def test_masked_points_change_nothing(self) -> None:
        """Poison in the padding, and more of it, gives the same logits."""
        network, batch = self._fitted().eval(), example_light_curves()
        clean = _logits(network, batch)
        torch.testing.assert_close(_logits(network, poisoned(batch)), clean)

    def test_an_object_does_not_depend_on_the_others(self) -> None:
        """Alone or among others, the logits are the same."""
        network, batch = self._fitted().eval(), example_light_curves()
        alone = _logits(network, batch[:1].trim(), _context(batch, network.n_context)[:1])
        torch.testing.assert_close(
            alone, _logits(network, batch)[:1], rtol=TOLERANCE, atol=TOLERANCE
        )

    def test_the_time_of_peak_is_not_read(self) -> None:
        """Another ``t_ref`` changes nothing."""
        network, batch = self._fitted().eval(), example_light_curves()
        moved = replace(batch, t_ref=batch.t_ref + 7)
        torch.testing.assert_close(_logits(network, moved), _logits(network, batch))

    def test_a_common_shift_of_times_changes_nothing(self) -> None:
        """The calendar is not read."""
        network, batch = self._fitted().eval(), example_light_curves()
        time = torch.where(batch.mask, batch.time + 512, 0.0)
        moved = replace(batch, time=time, t_ref=batch.t_ref + 512)
        torch.testing.assert_close(
            _logits(network, moved), _logits(network, batch), rtol=1e-4, atol=1e-4
        )

    def test_empty_light_curves_have_logits(self) -> None:
        """Objects without observations, among others or alone, give finite logits."""
        network, batch = self._fitted().eval(), example_light_curves()
        emptied = batch.where(torch.arange(len(batch))[:, None] > 0)
        assert bool(_logits(network, emptied).isfinite().all())
        alone = batch[:2].where(torch.zeros(2, batch.time.shape[1], dtype=torch.bool))
        assert bool(_logits(network, alone).isfinite().all())

    def test_saved_weights_give_the_same_logits(self) -> None:
        """state_dict carries everything, scalers too."""
        network, batch = self._fitted().eval(), example_light_curves()
        again = reloaded(network, self.make(BANDS, N_CLASSES, N_CONTEXT)).eval()
        torch.testing.assert_close(_logits(again, batch), _logits(network, batch))

    def test_the_same_input_gives_the_same_logits(self) -> None:
        """Deterministic when evaluated."""
        network, batch = self._fitted().eval(), example_light_curves()
        assert torch.equal(_logits(network, batch), _logits(network, batch))

    def test_causal_networks_do_not_see_the_future(self) -> None:
        """Steps of a light curve that ends earlier are those of the longer one."""
        network, batch = self._fitted().eval(), example_light_curves()
        if not isinstance(network, StepNetwork):
            return
        context = _context(batch, network.n_context)
        whole = network.steps(batch, context)
        cut = torch.where(batch.mask, batch.time, torch.inf).amin(1, keepdim=True) + 30
        early = network.steps(batch.where(batch.time <= cut), context)
        n_steps = early.mask.shape[1]
        torch.testing.assert_close(
            early.logits[early.mask],
            whole.logits[:, :n_steps][early.mask],
            rtol=TOLERANCE,
            atol=TOLERANCE,
        )

    def _fitted(self, n_context: int = N_CONTEXT) -> ClassifierNetwork:
        torch.manual_seed(1)
        network = self.make(BANDS, N_CLASSES, n_context)
        network.fit_inputs(example_light_curves())
        return network


def example_light_curves() -> LightCurveBatch:
    """A few light curves of unequal lengths, in the bands of the contract."""
    batch = example_batch(n=6, bands=BANDS)
    step = torch.arange(batch.time.shape[1])
    # The last object is the longest, so that all others have padding.
    return batch.where(step < batch.n_observations[:, None] - torch.arange(5, -1, -1)[:, None])


def poisoned(batch: LightCurveBatch) -> LightCurveBatch:
    """The same light curves with nonsense in a longer padding."""
    extra = (len(batch), 4)
    widened = {
        "time": torch.cat([batch.time, batch.time.new_full(extra, 1e6)], dim=1),
        "flux": torch.cat([batch.flux, batch.flux.new_full(extra, -1e9)], dim=1),
        "flux_err": torch.cat([batch.flux_err, batch.flux_err.new_full(extra, 1e-9)], dim=1),
        "band": torch.cat([batch.band, batch.band.new_full(extra, 1)], dim=1),
        "upper_limit": torch.cat([batch.upper_limit, batch.mask.new_zeros(extra)], dim=1),
        "mask": torch.cat([batch.mask, batch.mask.new_zeros(extra)], dim=1),
    }
    mask = widened["mask"]
    widened["time"] = torch.where(mask, widened["time"], 1e6)
    widened["flux"] = torch.where(mask, widened["flux"], -1e9)
    widened["flux_err"] = torch.where(mask, widened["flux_err"], 1e-9)
    return replace(batch, **widened)


def _context(batch: LightCurveBatch, n_context: int) -> Tensor:
    return torch.randn(len(batch), n_context, generator=torch.Generator().manual_seed(2))


def _logits(
    network: ClassifierNetwork, batch: LightCurveBatch, context: Tensor | None = None
) -> Tensor:
    return network(batch, _context(batch, network.n_context) if context is None else context)
