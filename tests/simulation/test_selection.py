from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_toy import Parabola, toy_population, toy_survey

from sntorch.errors import ConfigError
from sntorch.simulation import Cut, MinDetections, PhaseCoverage, Simulator
from sntorch.simulation.selection import passed

with pytest.warns(UserWarning, match="desg only at"):
    SAMPLE = Simulator(Parabola(), toy_population(0.2, 0.8), toy_survey()).simulate(120, 0)


class Half(Cut):
    def probability(self, batch, truth):
        return torch.full((len(batch),), 0.5, dtype=torch.float64)


class Wrong(Cut):
    def probability(self, batch, truth):
        return torch.full((len(batch),), 1.5, dtype=torch.float64)


def keeps(cut):
    return cut.probability(SAMPLE.batch, SAMPLE.truth)


@pytest.mark.parametrize("n", [1, 5, 12])
@pytest.mark.parametrize("snr", [-1e9, 3.0, 20.0])
def test_detections_are_counted_as_by_hand(n, snr):
    for cut, together in (
        (MinDetections(n, snr), True),
        (MinDetections(n, snr, per_band=True), False),
    ):
        for i, lc in enumerate(SAMPLE.batch.to_light_curves()):
            counts = [int(((lc.band == b) & (lc.snr > snr)).sum()) for b in SAMPLE.batch.bands]
            number = sum(counts) if together else min(counts)
            assert bool(keeps(cut)[i]) == (number >= n)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 20), snr=st.floats(0, 50), more=st.integers(0, 5), higher=st.floats(0, 20))
def test_stricter_cuts_keep_a_subset(n, snr, more, higher):
    loose, strict = MinDetections(n, snr), MinDetections(n + more, snr + higher)
    assert bool((keeps(strict) <= keeps(loose)).all())
    assert bool((keeps(MinDetections(n, snr, per_band=True)) <= keeps(loose)).all())


@settings(max_examples=25, deadline=None)
@given(first=st.floats(-15, 40), width=st.floats(0, 50), wider=st.floats(0, 20))
def test_a_wider_phase_range_keeps_more(first, width, wider):
    narrow = PhaseCoverage(first, first + width)
    wide = PhaseCoverage(first - wider, first + width + wider)
    assert bool((keeps(narrow) <= keeps(wide)).all())


@settings(max_examples=25, deadline=None)
@given(a=st.integers(1, 30), b=st.integers(1, 30))
def test_cuts_combine_as_logic_does(a, b):
    left, right = MinDetections(a), MinDetections(b, 10.0)
    p, q = keeps(left).bool(), keeps(right).bool()
    assert torch.equal(keeps(left & right).bool(), p & q)
    assert torch.equal(keeps(left | right).bool(), p | q)
    assert torch.equal(keeps(~left).bool(), ~p)


def test_probabilities_combine_as_independent_events():
    assert float(keeps(Half() & Half())[0]) == 0.25
    assert float(keeps(Half() | Half())[0]) == 0.75


def test_a_probability_outside_zero_and_one_is_refused():
    with pytest.raises(ConfigError, match=r"found up to 1\.5"):
        passed([Wrong()], SAMPLE.batch, SAMPLE.truth, torch.zeros(120, 1))


def test_an_unknown_band_is_refused():
    with pytest.raises(ConfigError, match="cut on band ztfg"):
        keeps(MinDetections(1, bands=("ztfg",)))


def test_probabilistic_cut_keeps_its_share():
    cut = Simulator(Parabola(), toy_population(), toy_survey(), selection=Half())
    flow = cut.simulate(400, 0).cut_flow
    assert flow.counts[1] == 400
    assert flow.counts[0] == pytest.approx(800, rel=0.12)


@pytest.mark.parametrize(
    "cut", [MinDetections(1), MinDetections(1, float("-inf")), PhaseCoverage(-50, 100)]
)
def test_upper_limits_are_no_detections(cut):
    limits = replace(SAMPLE.batch, upper_limit=SAMPLE.batch.mask.clone())
    assert bool(keeps(cut).any())
    assert not bool(cut.probability(limits, SAMPLE.truth).any())
