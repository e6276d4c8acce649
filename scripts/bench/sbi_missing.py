"""Missing and noisy bands: SBI++ on a network without masks, and a network that is native to them.

The benchmark of ``sntorch.sbi.benchmarks.magnitudes``, whose posterior is known for any bands and
errors. One flow is trained on complete photometry; SBI++ asks it about imputed measurements, as in
``sntorch.sbi.imputation`` and as its authors do. Joint imputation draws from a bank of training
objects without noise, which simulations have, and from one of the same objects as they were
measured, which is all that the authors' method gets; it then takes their noise for scatter among
objects. Another flow, on a set of bands, is trained with bands dropped and errors inflated at
random, in about as many CPU seconds: in fewer steps, as its steps are dearer. Both are trained
anew in five times the steps. The same objects are complete, or lack two or three of six bands, or
have errors of 5 to 20 times the usual in two bands, or lack two and have noise in another two.
Posteriors are held to exact ones (the reference: the exact posterior drawn twice). Times are CPU
seconds on one thread.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from sbi_exact import numbers
from table import Row, main
from torch import Tensor
from training_clock import bare_trainer, quiet

from sntorch.sbi import BoxPosterior, EnsembleSettings, FlowModule, SurveyDataModule, sample
from sntorch.sbi.benchmarks.magnitudes import (
    PRIOR,
    USUAL,
    LinearMagnitudes,
    MagnitudeLikelihood,
)
from sntorch.sbi.degraded import Degraded
from sntorch.sbi.diagnostics import calibrate, compare
from sntorch.sbi.imputation import Imputation, NeighbourImputation
from sntorch.sbi.original_imputation import OriginalImputation
from sntorch.sbi.photometry import Photometry
from sntorch.sbi.sbi_plus_plus import SBIPlusPlus
from sntorch.sbi.training_errors import TrainingErrors

N_BANDS = len(USUAL)
# Of two trainings each: without masks, and native to them in as many CPU seconds.
BATCH, STEPS, QUICK_STEPS = 512, ((1_000, 800), (5_000, 4_000)), ((200, 160), (400, 320))
ROWS, OBJECTS, QUICK_OBJECTS, DRAWS = 20_000, 200, 40, 1_000
TRAINING, TEST, AT_ONCE = 1, 2, 20
BANDS = "sntorch.sbi.photometry"
FLOW = {"transforms": 2, "width": 128, "learning_rate": 4e-3}
WITHOUT_MASKS = {"_target_": f"{BANDS}.BandVector", "n_bands": N_BANDS}
WITH_MASKS = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "encoder": {"_target_": f"{BANDS}.BandEncoder", "n_bands": N_BANDS},
    "n_outputs": 32,
    "typical": N_BANDS,
}
# Objects, number of draws, seed.
Sampler = Callable[[Photometry, int, int], Tensor]


def rows(quick: bool) -> Iterable[Row]:
    """Training, then four kinds of photometry."""
    quiet()
    simulator = LinearMagnitudes(seed=TRAINING)
    worse = Degraded(simulator, seed=TRAINING)
    theta, x = simulator(0, ROWS)
    errors = TrainingErrors.of(x)
    imputations: dict[str, Imputation] = {
        "SBI++": NeighbourImputation(simulator.noiseless(theta), errors),
        "SBI++, noisy bank": NeighbourImputation(x.magnitude, errors),
        "SBI++ as its authors'": OriginalImputation(x, errors),
    }
    samplers: dict[str, Sampler] = {}
    for few, fewer in QUICK_STEPS if quick else STEPS:
        plain, row = trained("without masks", WITHOUT_MASKS, simulator, few)
        yield row
        for name, imputation in imputations.items():
            samplers[f"{name}, {few:,} steps"] = SBIPlusPlus(plain, imputation).sample
        masked, row = trained("native to masks", WITH_MASKS, worse, fewer)
        yield row
        samplers[f"native to masks, {fewer:,} steps"] = masked.sample
    truth, whole = LinearMagnitudes(seed=TEST)(0, QUICK_OBJECTS if quick else OBJECTS)
    for kind, made in degraded(whole).items():
        yield from compared(kind, made, truth, samplers)


def trained(name: str, embedding: dict[str, Any], simulator: Any, steps: int) -> tuple[Any, Row]:
    """A flow, and how long it took."""
    begun = time.process_time()
    module = FlowModule(PRIOR, embedding, **FLOW)
    data = SurveyDataModule(simulator, BATCH, steps, n_validation=0)
    bare_trainer(max_epochs=1).fit(module, data)
    seconds = time.process_time() - begun
    what = f"flow for {N_BANDS} bands, {name}, {steps:,} steps of {BATCH} objects: training"
    return module.eval(), Row("sbi", what, "reported", f"{seconds:.0f} s")


def degraded(x: Photometry) -> dict[str, Photometry]:
    """The same objects in four states."""
    generator = torch.Generator().manual_seed(TEST)
    order = torch.rand(x.mask.shape, generator=generator).argsort(1).argsort(1)
    three = torch.rand(len(x), 1, generator=generator) < 0.5
    missing = order < torch.where(three, 3, 2)
    factor = 5 * 4 ** torch.rand(x.mask.shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(x.mask.shape, generator=generator, dtype=torch.float64)

    def noisier(which: Tensor) -> Photometry:
        error = torch.where(which, factor * x.error, x.error)
        added = (error**2 - x.error**2).sqrt()
        return Photometry(x.magnitude + added * noise, error, x.mask)

    both = noisier((order >= 2) & (order < 4))
    return {
        "complete": x,
        "bands missing": Photometry(x.magnitude, x.error, ~missing),
        "bands noisy": noisier(order < 2),
        "both": Photometry(both.magnitude, both.error, order >= 2),
    }


def compared(
    kind: str, x: Photometry, truth: Tensor, samplers: dict[str, Sampler]
) -> Iterable[Row]:
    """A row for each way to infer."""
    posterior = BoxPosterior(MagnitudeLikelihood(x), PRIOR)
    exact, again = (sample(posterior, DRAWS, EnsembleSettings(seed=k)).theta for k in (1, 2))
    floor = float(compare(again, exact, PRIOR).divergence.median())
    for name, sampler in samplers.items():
        begun = time.process_time()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            groups = torch.arange(len(x)).split(AT_ONCE)
            draws = torch.cat([sampler(x.take(index), DRAWS, k) for k, index in enumerate(groups)])
        milliseconds = 1e3 * (time.process_time() - begun) / len(x)
        found = compare(draws, exact, PRIOR)
        covered = calibrate(draws, truth, PRIOR)
        shares = (
            f"{level} %: " + numbers(torch.tensor([100 * e.value for e in estimates]), 0)
            for level in (68, 95)
            for estimates in [covered.coverage(level / 100)]
        )
        yield Row(
            "sbi",
            f"{kind}, {name}, {len(x)} objects: mean abs bias / σ; σ ratio; KL median, mean",
            "reported",
            f"{numbers(found.bias.abs().mean(0), 2)}; {numbers(found.width.mean(0), 2)}; "
            f"{float(found.divergence.median()):.3f}, {float(found.divergence.mean()):.3f}; "
            f"{'; '.join(shares)}; {milliseconds:.1f} ms an object"
            + (f"; {len(told)} warnings" if told else ""),
            reference=f"exact twice KL {floor:.3f}",
        )


if __name__ == "__main__":
    main(rows)
