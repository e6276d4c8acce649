"""The contract of encodings of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.generative.encoding import RowEncoding
from sntorch.nn.testing import reloaded
from sntorch.simulation.testing import example_batch


class RowEncodingContract(ABC):
    """What every ``RowEncoding`` does.

    ``make`` returns the encoding fitted on a batch, with ``MyEncoding.fit(batch)``; ``tolerance``
    is how well fluxes come back, in units of their size and error.
    """

    tolerance = 1e-3

    @abstractmethod
    def make(self, batch: LightCurveBatch) -> RowEncoding:
        """The encoding, fitted on ``batch``."""

    def test_codes_are_finite_rows(self) -> None:
        """Shape (B, L, 3F), float32, 0 where padded."""
        batch = example_batch()
        x, mask = self.make(batch).encode(batch)
        assert x.shape == (*mask.shape[:2], 3 * len(batch.bands))
        assert x.dtype == torch.float32
        assert bool(x.isfinite().all())
        assert not bool(x[~mask.repeat(1, 1, 3)].any())

    def test_light_curves_come_back(self) -> None:
        """Times within minutes, fluxes and errors within ``tolerance``."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        before, after = batch.to_rows(), encoding.decode(x, mask)
        torch.testing.assert_close(after.time[mask], before.time[mask], atol=2e-3, rtol=0)
        size = before.flux_err[mask] + before.flux[mask].abs()
        for name in ("flux", "flux_err"):
            off = (getattr(after, name)[mask] - getattr(before, name)[mask]).abs()
            assert bool((off < self.tolerance * size).all()), name

    def test_limits_and_infinite_values_are_left_out(self) -> None:
        """They are no measurements."""
        batch = example_batch()
        encoding = self.make(batch)
        whole = int(encoding.encode(batch)[1].sum())
        batch.flux[0, :2], batch.upper_limit[1, :2] = torch.nan, True
        x, mask = encoding.encode(batch)
        assert bool(x.isfinite().all())
        assert int(mask.sum()) < whole

    def test_nothing_to_encode(self) -> None:
        """Objects of which nothing is left have an empty mask."""
        batch = example_batch()
        encoding = self.make(batch)
        batch.upper_limit[:] = True
        x, mask = encoding.encode(batch)
        assert len(x) == len(mask) == len(batch)
        assert not bool(mask.any())

    def test_state_dict_carries_everything(self) -> None:
        """A checkpoint rebuilds the encoding from bands, zero point and state."""
        batch = example_batch()
        encoding = self.make(batch)
        again = reloaded(encoding, type(encoding)(batch.bands, batch.zeropoint))
        assert torch.equal(again.encode(batch)[0], encoding.encode(batch)[0])

    def test_phase_has_a_gradient(self) -> None:
        """Shape (B, L, F), from the time columns."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        x.requires_grad_()
        phase = encoding.phase(x)
        assert phase.shape == mask.shape
        (slope,) = torch.autograd.grad(phase[mask].sum(), x)
        assert bool(slope[..., : len(batch.bands)].any())

    def test_times_come_from_phases(self) -> None:
        """``from_phase`` undoes ``phase``, and its gradient reaches the phases."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        phase = encoding.phase(x).requires_grad_()
        times = encoding.from_phase(phase)
        again = encoding.phase(times)
        torch.testing.assert_close(again[mask], phase[mask], atol=1e-4, rtol=1e-4)
        (slope,) = torch.autograd.grad(times[mask].sum(), phase)
        assert bool(slope[mask].any())

    def test_a_level_can_be_imposed(self) -> None:
        """``with_level`` gives rows of that level."""
        batch = example_batch()
        encoding = self.make(batch)
        x, mask = encoding.encode(batch)
        wanted = torch.linspace(-1, 1, len(x))
        torch.testing.assert_close(
            encoding.level(encoding.with_level(x, mask, wanted), mask), wanted
        )
