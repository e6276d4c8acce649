"""Brightness levels drawn for new objects."""

from __future__ import annotations

import pytest
import torch

from sntorch.generative.conditions import Conditions
from sntorch.generative.levels import LevelPrior


def plain(n: int) -> Conditions:
    return Conditions((), (), torch.full((n,), -1), torch.zeros(n, 0))


def dimming(n: int, slope: float, scatter: float) -> tuple[Conditions, torch.Tensor]:
    """Two classes, 5 apart, that fade with redshift."""
    generator = torch.Generator().manual_seed(0)
    label, redshift = torch.arange(n) % 2, torch.rand(n, 1, generator=generator)
    levels = 5.0 * label + slope * redshift[:, 0]
    levels = levels + scatter * torch.randn(n, generator=generator)
    return Conditions(("type", "redshift"), ("II", "Ia"), label, redshift), levels


def test_smoothed_levels_are_new_and_as_wide_as_before():
    torch.manual_seed(0)
    levels, known = torch.randn(500) * 2 + 1, plain(500)
    many = LevelPrior(levels, known)
    picked = torch.arange(500).repeat(20)
    drawn = many.draw(known, picked, torch.zeros(10000, 0), torch.randn(10000))
    assert drawn.std().item() == pytest.approx(levels.std().item(), rel=0.02)
    assert drawn.mean().item() == pytest.approx(levels.mean().item(), abs=0.05)
    assert not bool(torch.isin(drawn, levels).any())


def test_levels_follow_the_properties():
    known, levels = dimming(400, slope=3.0, scatter=0.1)
    prior, picked = LevelPrior(levels, known), torch.arange(400)
    far = torch.full((400, 1), 0.9)
    drawn = prior.draw(known, picked, far, torch.randn(400))
    for label in (0, 1):
        own = drawn[known.label == label]
        assert own.mean().item() == pytest.approx(5 * label + 2.7, abs=0.05)
        assert own.std().item() == pytest.approx(0.1, rel=0.2)


def test_an_unknown_number_leaves_the_level():
    known, levels = dimming(400, slope=3.0, scatter=0.0)
    prior, picked = LevelPrior(levels, known), torch.arange(400)
    unknown = torch.full((400, 1), torch.nan)
    drawn = prior.draw(known, picked, unknown, torch.zeros(400))
    torch.testing.assert_close(drawn, levels, atol=0.05, rtol=0)


def test_smoothing_real_objects_is_drawing_their_own_properties():
    known, levels = dimming(50, slope=3.0, scatter=0.5)
    prior, noise = LevelPrior(levels, known), torch.randn(50)
    smoothed = prior.smooth(known, levels, known.label, known.numbers, noise)
    drawn = prior.draw(known, torch.arange(50), known.numbers, noise)
    torch.testing.assert_close(smoothed, drawn)
    assert float((smoothed - levels).abs().min()) > 0
