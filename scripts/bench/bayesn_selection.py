"""A dust population behind a magnitude limit: the normaliser, recovery, and Foundation itself.

P(selected | z, population) is held to simulated supernovae. Samples are drawn from a known
population at Foundation's redshifts, cadences and errors, thrown away beyond a magnitude limit,
and fitted with the selection ignored and with it; and from populations that the prior draws, of
which intervals have to hold as many as they say. Foundation's 157 SNe (Thorp et al. 2021) are
fitted the same way, fluxes with the SED of T21 held fixed. Their selection is not known: they were
found by many surveys and followed up by choice. The limit is an assumption, that of
``sbi_foundation.py`` in PS1 g in place of B, and two other limits are shown. T21 itself, M0
included, was trained on these supernovae with their selection ignored; a row lets the mean
brightness of the population go free.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from foundation import FOUNDATION
from table import Row, main
from torch import Tensor
from training_jobs import foundation, t21

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.populations import Conditions, Draw, Dust, Hosts, each
from sntorch.bayesn.selected import SelectedSample
from sntorch.bayesn.selection import PeakSelection
from sntorch.bayesn.simulated_sample import selected_sample, simulated_kept
from sntorch.bayesn.surfaces import FixedSED
from sntorch.bayesn.training import Trained, TrainingSettings, train
from sntorch.bayesn.training_report import diagnostics_table
from sntorch.bayesn.training_sample import TrainingSample
from sntorch.simulation import MagnitudeLimit

BAND, LIMIT, WIDTH = "ps1::g", 17.5, 0.5
NUMBERS = ("mu_r", "sigma_r", "tau_a", "sigma0")
TRUTH = {"mu_r": 2.8, "sigma_r": 0.5, "tau_a": 0.3, "sigma0": 0.1}
# Populations at which the normaliser is checked: μ_R, σ_R, τ_A, σ0.
POPULATIONS = ((2.6, 0.5, 0.2, 0.1), (3.5, 1.0, 0.4, 0.1), (2.0, 0.3, 0.1, 0.15))
# Of the normaliser's check: supernovae simulated at a redshift, and the step between redshifts.
N_SIMULATED, EVERY = 10_000, 39
N_SAMPLES, COPIES = 8, 2
# Populations drawn from the prior where it leaves samples like Foundation's, and their priors.
N_DRAWN, FIRST_SEED = 24, 100
DRAWN = {
    "mu_r": (torch.distributions.Uniform(1.2, 6.0), 2.0, 4.0),
    "sigma_r": (torch.distributions.HalfNormal(2.0), 0.05, 1.5),
    "tau_a": (torch.distributions.HalfCauchy(1.0), 0.1, 0.5),
    "sigma0": (torch.distributions.HalfCauchy(0.1), 0.05, 0.15),
}
OTHER_LIMITS = (17.0, 18.0)
NUTS = TrainingSettings(chains=2, warmup=150, draws=250, block=50, max_tree_depth=5)
SVI = TrainingSettings(sampler="svi", chains=2)
PART = "sbi"


class ShiftedDust(Dust):
    """Dust, with the mean brightness of the population free within the error that M0 may have."""

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        conditions = super().__call__(draw, sample)
        zero = sample.redshift_cmb.new_zeros(())
        conditions.delta_m = each(draw("delta_m", torch.distributions.Normal(zero, 0.1)))
        return conditions


def rows(quick: bool) -> Iterable[Row]:
    """The normaliser, recovery, and Foundation."""
    if not FOUNDATION.is_dir():
        yield Row(
            PART, "dust behind a magnitude limit", "-", "run with SNTORCH_SHARED=…", met="run"
        )
        return
    torch.set_num_threads(1)
    yield normaliser_row()
    yield from recovery_rows(1 if quick else N_SAMPLES)
    yield from calibration_rows(1 if quick else N_DRAWN)
    yield from foundation_rows(quick)


@cache
def observed() -> TrainingSample:
    """Foundation."""
    return foundation()


def selection(limit: float = LIMIT) -> PeakSelection:
    """The magnitude limit."""
    return PeakSelection({"peak": MagnitudeLimit(limit, WIDTH, f"peak {BAND}")})


def normaliser_row() -> Row:
    """ln P(selected) of some of the SNe against simulated ones."""
    sample, begun = observed(), time.process_time()
    selected = selection()(t21(), sample)
    seconds = time.process_time() - begun
    which = sample.redshift_cmb.argsort()[::EVERY]
    off, error = [], []
    for numbers in POPULATIONS:
        values = tensors(dict(zip(NUMBERS, numbers, strict=True)))
        found = selected.log_selected(Conditions(**{k: v[None] for k, v in values.items()}))
        for i in which:
            kept = simulated_share(values, int(i))
            off.append(found[i] - kept.mean().log())
            error.append(kept.std() / kept.mean() / N_SIMULATED**0.5)
    ratio = torch.stack(off) / torch.stack(error)
    return Row(
        PART,
        f"ln P(selected | z, population), {len(which)} of {len(sample)} SNe, {len(POPULATIONS)} "
        f"populations, against {N_SIMULATED:,} simulated SNe each",
        "reported",
        f"largest difference {float(torch.stack(off).abs().max()):.4f} (errors of the simulation "
        f"up to {float(torch.stack(error).max()):.4f}; rms difference / error "
        f"{float(ratio.square().mean().sqrt()):.2f}); learnt in {seconds:.1f} CPU s",
    )


def tensors(values: dict[str, float]) -> dict[str, Any]:
    """A population's numbers."""
    return {k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}


def simulated_share(values: dict[str, Any], i: int) -> Tensor:
    """P(kept) of simulated supernovae at the redshift of one, shape (N,)."""
    return simulated_kept(simulator(torch.full((N_SIMULATED,), i)), selection().cuts, values, i)


def simulator(index: Tensor) -> HierarchicalModel:
    """Supernovae like those of Foundation at these places."""
    return HierarchicalModel(observed().take(index), FixedSED(t21()), Dust(), magnitudes=False)


def recovery_rows(n: int) -> Iterable[Row]:
    """Samples behind the limit, with it ignored and with it."""
    pulls: dict[str, list[list[float]]] = {"ignored": [], "taken into account": []}
    sizes, begun = [], time.process_time()
    for seed in range(n):
        sample = behind_the_limit(TRUTH, seed)
        sizes.append(len(sample))
        for how, what in zip(pulls, (None, selection()(t21(), sample)), strict=True):
            draws = fit(sample, what, SVI).draws
            pulls[how].append([_pull(draws[name], TRUTH[name]) for name in NUMBERS])
    seconds = (time.process_time() - begun) / n
    for how, found in pulls.items():
        z = torch.tensor(found)
        mean, rms = z.mean(0).tolist(), z.square().mean(0).sqrt().tolist()
        each_one = ", ".join(
            f"{name} {mean[k]:+.2f} (rms {rms[k]:.2f})" for k, name in enumerate(NUMBERS)
        )
        yield Row(
            PART,
            f"dust behind a magnitude limit, {n} samples of {min(sizes)}-{max(sizes)} SNe, "
            f"variational: mean (posterior mean - truth) / sd, selection {how}",
            "reported"
            if how == "ignored"
            else f"within 3 / √{n} of 0 (a bias of less than {3 / n**0.5:.1f} sd passes)",
            f"{each_one}; {seconds:.0f} CPU s a sample",
            met="-" if how == "ignored" else _yes(bool((z.mean(0).abs() < 3 / n**0.5).all())),
        )


def calibration_rows(n: int) -> Iterable[Row]:
    """Populations of the prior, cut to a box as their posteriors are: where the truth lies."""
    places: dict[str, list[list[float]]] = {"ignored": [], "taken into account": []}
    for seed in range(FIRST_SEED, FIRST_SEED + n):
        truth = drawn_truth(seed)
        sample = behind_the_limit(truth, seed)
        for how, what in zip(places, (None, selection()(t21(), sample)), strict=True):
            draws = fit(sample, what, SVI).draws
            inside = torch.stack([_inside(name, draws[name]) for name in NUMBERS]).all(0)
            places[how].append(
                [float((draws[k][inside] < truth[k]).double().mean()) for k in NUMBERS]
            )
    for how, found in places.items():
        place = torch.tensor(found)
        # A posterior without any draw in the box does not hold the truth, and gives it no place.
        outside = int(place.isnan().any(1).sum())
        mean = (place.nanmean(0) - 0.5) * (12 * (n - outside)) ** 0.5
        away = (place - 0.5).abs()
        told = ", ".join(
            f"{name} {mean[k]:+.1f}, {100 * (away[:, k] < 0.34).double().mean():.0f} %, "
            f"{100 * (away[:, k] < 0.475).double().mean():.0f} %"
            for k, name in enumerate(NUMBERS)
        )
        yield Row(
            PART,
            f"dust behind a magnitude limit, {n} populations of the prior, variational: place of "
            "the truth in its posterior, mean - 1/2 over its standard error; how many of 68 % and "
            f"95 % intervals hold it, selection {how}",
            "reported" if how == "ignored" else "means within 3 of 0",
            f"{told}; {outside} without a draw in the box",
            met="-" if how == "ignored" else _yes(bool((mean.abs() < 3).all())),
        )


def drawn_truth(seed: int) -> dict[str, float]:
    """A population of the prior within the box."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {name: _first_inside(name) for name in NUMBERS}


def _first_inside(name: str) -> float:
    many = DRAWN[name][0].sample((10_000,))
    return float(many[_inside(name, many)][0])


def _inside(name: str, values: Tensor) -> Tensor:
    _, low, high = DRAWN[name]
    return (values > low) & (values < high)


def behind_the_limit(truth: dict[str, float], seed: int) -> TrainingSample:
    """Supernovae of the known population at Foundation's redshifts that pass the limit."""
    n = len(observed())
    every = simulator(torch.arange(COPIES * n) % n)
    return selected_sample(every, selection().cuts, tensors(truth), seed)


def foundation_rows(quick: bool) -> Iterable[Row]:
    """Foundation with selection off and on."""
    sample, sed = observed(), t21()
    limit = f"limit {LIMIT} ± {WIDTH} mag in {BAND}"
    known = selection()(sed, sample)
    every: list[tuple[str, SelectedSample | None, Dust, TrainingSettings]] = [
        (name, selected, Dust(), how)
        # Limits are to be compared by one method: variational posteriors have errors of their own.
        for how in ((SVI,) if quick else (NUTS, SVI))
        for name, selected in (("selection ignored", None), (limit, known))
    ]
    every += [
        (f"limit {other} ± {WIDTH} mag", selection(other)(sed, sample), Dust(), SVI)
        for other in (() if quick else OTHER_LIMITS)
    ]
    every.append((f"{limit}, mean brightness free", known, ShiftedDust(), SVI))
    for name, selected, population, how in every:
        begun = time.process_time()
        trained = fit(sample, selected, how, population)
        yield posterior_row(name, trained, time.process_time() - begun)


def posterior_row(name: str, trained: Trained, seconds: float) -> Row:
    """Means, widths, and whether the chains agree."""
    shared = {k: v for k, v in trained.draws.items() if v.ndim == 2}
    numbers = ", ".join(
        f"{k} {float(v.mean()):.3f} ± {float(v.std()):.3f}" for k, v in shared.items()
    )
    how = "variational"
    if trained.sums:
        table: Any = diagnostics_table(shared, trained.model.sed)
        rhat, ess = float(table["rhat"].max()), float(table["ess_bulk"].min())
        n = f"{trained.settings.chains} × {trained.settings.draws}"
        how = f"NUTS {n}, R-hat ≤ {rhat:.3f}, ESS ≥ {ess:.0f}, {trained.divergences} divergences"
    return Row(
        PART,
        f"Foundation, {len(trained.model.sample)} SNe, SED of T21, {name}",
        "reported",
        f"{numbers}; {how}; {seconds:.0f} CPU s",
    )


def fit(
    sample: TrainingSample,
    selected: SelectedSample | None,
    settings: TrainingSettings,
    population: Dust | None = None,
) -> Trained:
    """A population with the SED of T21 held fixed."""
    model = HierarchicalModel(
        sample, FixedSED(t21()), population or Dust(), magnitudes=False, selection=selected
    )
    return train(model, settings)


def _pull(draws: Tensor, truth: float) -> float:
    return float((draws.mean() - truth) / draws.std())


def _yes(met: bool) -> str:
    return "yes" if met else "no"


if __name__ == "__main__":
    main(rows)
