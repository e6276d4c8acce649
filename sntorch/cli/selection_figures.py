"""Figures of what a selection keeps: of a simulation, and of an efficiency that was learnt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sntorch.sbi.inference import SelectionInference
    from sntorch.simulation import SimulatedSample, Simulator

# Candidates for each bin of a map, on average, and bins on a side: fewer show nothing.
EACH = 16
FEWEST_BINS, MOST_BINS = 4, 25
PEAK = "true magnitude at maximum, brightest band"
HELD_OUT = 50_000
BINS = 20


def simulation_figures(simulator: Simulator, sample: SimulatedSample) -> dict[str, Figure]:
    """The cut flow, and where there are enough candidates the share kept by redshift and peak.

    Args:
        simulator: What made the sample; without a selection there are no figures.
        sample: With its injections.
    """
    from sntorch.plotting.efficiency import cut_flow_figure

    if not simulator.selection:
        return {}
    figures = {"cutflow": cut_flow_figure(sample.cut_flow.to_dict())}
    efficiency = _efficiency(simulator, sample)
    return figures if efficiency is None else figures | {"efficiency": efficiency}


def _efficiency(simulator: Simulator, sample: SimulatedSample) -> Figure | None:
    from sntorch.plotting.efficiency import efficiency_map_figure
    from sntorch.statistics.shares import bin_edges, binned_shares

    if sample.injections is None:
        return None
    peak = simulator.peak_magnitudes(sample.injections)
    bright, peak = sample.injections[peak.isfinite()], peak[peak.isfinite()]
    bins = min(int((len(bright) / EACH) ** 0.5), MOST_BINS)
    if bins < FEWEST_BINS:
        return None
    redshift = bright.truth["redshift"]
    edges = bin_edges(redshift, bins), bin_edges(peak, bins)
    counted = binned_shares(redshift, peak, bright.kept, *edges)
    title = f"{len(bright):,} candidates"
    return efficiency_map_figure(counted, ("redshift", PEAK), titles=(title, ""))


def efficiency_figures(methods: Iterable[SelectionInference], seed: int) -> dict[str, Figure]:
    """The efficiency that a method has learnt, beside the counts of injections it never saw.

    Args:
        methods: Those without an efficiency have no figure.
        seed: Of the injections.
    """
    from sntorch.plotting.efficiency import efficiency_map_figure
    from sntorch.sbi.inference import EfficiencyInference

    figures = {}
    for method in methods:
        if isinstance(method, EfficiencyInference):
            counted, learnt = method.selection.held_out(HELD_OUT, BINS, seed)
            names = ("redshift", "magnitude that the limit is on (mag)")
            figures["learnt_efficiency"] = efficiency_map_figure(counted, names, learnt.share)
    return figures
