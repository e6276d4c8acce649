"""What a selection keeps of a population, by simulation."""

import torch
from tripp_samples import SELECTION, BlueEdge, observed, points, truths

from sntorch.sbi.tripp import PARAMETERS, malmquist
from sntorch.sbi.tripp_kept import kept_shares
from sntorch.sbi.tripp_limit import ProbitLimit


def test_shares_are_those_of_the_closed_form():
    sample, n = observed(5), 20_000
    magnitude, kept = kept_shares(sample, truths(n), SELECTION, seed=1)
    assert magnitude.shape == kept.shape == (n, 5)
    expected = malmquist(sample, truths(1)[0], SELECTION)[-1]
    error = kept.std(0) / n**0.5
    assert float(((kept.mean(0) - expected) / error).abs().max()) < 4


def test_shares_are_of_the_magnitudes_before_selection():
    limit = ProbitLimit(17.3, 0.3)
    magnitude, kept = kept_shares(observed(5), truths(500), limit, seed=1)
    torch.testing.assert_close(kept, torch.special.ndtr((17.3 - magnitude) / 0.3))
    assert float(kept.min()) < 0.01


def test_a_row_a_population_and_a_seed():
    sample, theta = observed(4), points(3)[0]
    first, again = (kept_shares(sample, theta, BlueEdge(), seed=2) for _ in range(2))
    other = kept_shares(sample, theta, BlueEdge(), seed=3)
    for found, same, different in zip(first, again, other, strict=True):
        assert torch.equal(found, same)
        assert not torch.equal(found, different)
    fainter = theta.clone()
    fainter[:, PARAMETERS.index("m0")] += 1.0
    moved = kept_shares(sample, fainter, BlueEdge(), seed=2)
    torch.testing.assert_close(moved[0], first[0] + 1.0)
    torch.testing.assert_close(moved[1], first[1])
