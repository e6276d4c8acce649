"""What a selection keeps of a population, whatever the selection: by simulation."""

from __future__ import annotations

from torch import Tensor

from sntorch.sbi.tripp import TrippSample, simulate_tripp
from sntorch.sbi.tripp_selection import TrippSelection


def kept_shares(
    sample: TrippSample, theta: Tensor, selection: TrippSelection, seed: int
) -> tuple[Tensor, Tensor]:
    """Supernovae before selection at the redshifts and with the errors of a sample.

    Args:
        sample: N supernovae.
        theta: Parameters of populations, shape (S, 8).
        selection: What is kept.
        seed: Any integer.

    Returns:
        Measured magnitudes and the probability that each is kept, shape (S, N) each.
    """
    data = simulate_tripp(sample, theta, None, seed).data
    return data[..., 0], selection.log_probability(data).exp()
