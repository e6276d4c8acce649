"""Temperature scaling recovers a known temperature and leaves the order alone."""

from __future__ import annotations

import pytest
import torch

from sntorch.classification.calibration import Temperature
from sntorch.errors import DataError


def logits_and_labels(n: int = 20_000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax is the true distribution of the labels."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 4, generator=random)
    return logits, torch.multinomial(logits.softmax(-1), 1, generator=random)[:, 0]


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5])
def test_a_known_temperature_comes_back(true):
    logits, label = logits_and_labels()
    scale = Temperature().fit(true * logits, label)
    assert scale.temperature.item() == pytest.approx(true, rel=0.05)
    torch.testing.assert_close(scale(true * logits), logits, rtol=0.05, atol=0.01)
    assert f"temperature={scale.temperature.item():.3f}" in repr(scale)


def test_the_most_probable_class_stays():
    logits, label = logits_and_labels(500)
    scale = Temperature().fit(3 * logits, label)
    given = torch.randn(50, 7, 4)
    assert torch.equal(scale(given).argmax(-1), given.argmax(-1))
    assert scale(given).dtype == given.dtype


def test_without_an_error_the_temperature_stays_bounded():
    label = torch.arange(4).repeat(10)
    scale = Temperature(largest=10.0).fit(torch.eye(4)[label], label)
    assert 0.0999 <= scale.temperature.item() < 0.2
    useless = Temperature().fit(100 * torch.eye(4)[label], label.flip(0))
    assert useless.temperature.item() <= 20.001


def test_unknown_classes_do_not_count_and_a_fit_can_be_repeated():
    logits, label = logits_and_labels(2000)
    scale = Temperature().fit(2 * logits, label)
    first = scale.temperature.item()
    both = torch.cat([2 * logits, torch.full((5, 4), 9.0)])
    assert scale.fit(both, torch.cat([label, torch.full((5,), -1)])).temperature.item() == first


def test_it_is_saved_with_a_model():
    scale = Temperature().fit(*logits_and_labels(300))
    other = Temperature()
    other.load_state_dict(scale.state_dict())
    assert torch.equal(other.temperature, scale.temperature)


def test_nothing_to_fit_on_is_said():
    with pytest.raises(DataError, match="0 labelled validation objects"):
        Temperature().fit(torch.randn(3, 2), torch.full((3,), -1))
    with pytest.raises(DataError, match="not finite"):
        Temperature().fit(torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.int64))
