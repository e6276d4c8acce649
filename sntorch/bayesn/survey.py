"""Fits of any number of supernovae: in chunks, in several processes, resumed after a kill."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.bayesn.fitting import SamplerSettings, fit_chunk
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.posterior import Posterior
from sntorch.bayesn.preparation import Prepared
from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.errors import ConfigError
from sntorch.inference.chunks import ChunkStore
from sntorch.physics.bandpasses import Bandpass, get_bandpass, register_bandpass
from sntorch.physics.sed import SEDModel

log = logging.getLogger(__name__)

KEPT = ("all", "scalars")
SEED_STEP = 1_000_003
# Draws by name, and the statistics.
Result = tuple[dict[str, Any], Any]
SAY_EVERY = 15.0


@dataclass(frozen=True)
class SurveySettings:
    """How a large sample is worked through.

    Attributes:
        chunk: Supernovae fitted side by side: it bounds the memory.
        workers: Processes; each fits chunks on a thread of its own. 1 on a GPU.
        keep: ``all`` draws, or ``scalars``: without the residual surface ε, a tenth of the size,
            and without light curves of the posterior.
        progress: Whether to show progress on stderr.

    Raises:
        ConfigError: A value that is not accepted.
    """

    chunk: int = 256
    workers: int = 1
    keep: str = "all"
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("chunk", "workers"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}={value}: a whole number of at least 1 is accepted")
        if self.keep not in KEPT:
            raise ConfigError(f"keep={self.keep}: accepted are {', '.join(KEPT)}")


@dataclass(frozen=True)
class Task:
    """One chunk's work, as it is sent to a process."""

    sed: SEDModel
    prepared: Prepared
    options: FitOptions
    settings: SamplerSettings
    bandpasses: tuple[Bandpass, ...] = ()


def fit_survey(
    prepared: Prepared,
    sed: SEDModel,
    options: FitOptions,
    settings: SamplerSettings,
    survey: SurveySettings,
    folder: str | Path | None = None,
) -> Iterator[tuple[list[int], Posterior]]:
    """Posteriors, a chunk at a time, with the places of its supernovae among the prepared.

    Supernovae with as many observations are fitted together.

    Args:
        prepared: The supernovae.
        sed: The SED model; its device is used.
        options: What is free.
        settings: How to sample; each chunk has a seed of its own.
        survey: How to work through the sample.
        folder: Where finished chunks are kept, and found again.

    Raises:
        ConfigError: The folder holds chunks of another run; said before anything is fitted.
    """
    chunks = _chunks(prepared, survey.chunk, survey.workers)
    store = None
    if folder is not None:
        store = ChunkStore(folder, _signature(prepared, sed, options, settings, survey, chunks))
    return _fit_chunks(prepared, sed, options, settings, survey, chunks, store)


def _fit_chunks(
    prepared: Prepared,
    sed: SEDModel,
    options: FitOptions,
    settings: SamplerSettings,
    survey: SurveySettings,
    chunks: list[list[int]],
    store: ChunkStore | None,
) -> Iterator[tuple[list[int], Posterior]]:
    bar = Bar([len(c) for c in chunks], survey.progress)
    todo = []
    for number, places in enumerate(chunks):
        found = store.load(number) if store is not None else None
        if found is None:
            todo.append(number)
            continue
        bar.skip(number)
        yield places, _restored(sed, prepared.take(places), *found)
    tasks = (
        (number, _task(sed, prepared.take(chunks[number]), options, settings, number))
        for number in todo
    )
    with bar:
        n_workers = min(survey.workers, len(todo))
        run = _in_turn if n_workers < 2 or sed.w0.is_cuda else _side_by_side
        for number, posterior in run(tasks, n_workers, bar):
            if survey.keep == "scalars":
                posterior = _without_epsilon(posterior)
            if store is not None:
                store.save(number, posterior.draws, _notes(posterior))
            bar.done(number)
            yield chunks[number], posterior


def join(parts: Iterable[tuple[list[int], Posterior]], prepared: Prepared) -> Posterior:
    """One posterior of all chunks, in the order of the light curves."""
    from pandas import DataFrame, concat

    places, posteriors = zip(*parts, strict=True)
    order = torch.tensor([place for chunk in places for place in chunk]).argsort()
    first = posteriors[0]
    draws = {k: torch.cat([p.draws[k] for p in posteriors])[order] for k in first.draws}
    bands = tuple(sorted({name for p in posteriors for name in p.batch.bands}))
    classes = tuple(sorted({name for p in posteriors for name in p.batch.classes}))
    batch = concatenate([_with_names(p.batch, bands, classes) for p in posteriors])[order]
    statistics = concat([p.statistics for p in posteriors], ignore_index=True)
    return Posterior(
        first.sed,
        batch,
        draws,
        statistics.iloc[order.numpy()].reset_index(drop=True),
        DataFrame(prepared.failures, columns=["object_id", "reason"], dtype=str),
        epsilon_dropped=first.epsilon_dropped,
    )


class Bar:
    """Progress on stderr with the time left: a bar on a terminal, else a line now and then."""

    def __init__(self, sizes: Sequence[int], shown: bool) -> None:
        self.sizes, self.shown = list(sizes), shown
        self.part = [0.0] * len(self.sizes)
        self.skipped = 0
        self._bar: Any = None

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self._begun = self._said = time.monotonic()
        console = Console(stderr=True)
        if self.shown and console.is_terminal:
            columns = ("fitting", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task("", total=sum(self.sizes), completed=self.skipped)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def skip(self, number: int) -> None:
        """A chunk that an earlier run has done."""
        self.part[number] = 1.0
        self.skipped += self.sizes[number]

    def update(self, number: int, fraction: float) -> None:
        """How much of a chunk is done."""
        self.part[number] = fraction
        fitted = sum(s * p for s, p in zip(self.sizes, self.part, strict=True))
        if self._bar is not None:
            self._bar.update(self._task, completed=int(fitted))
        elif self.shown and time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            passed = self._said - self._begun
            new = fitted - self.skipped
            left = passed * (sum(self.sizes) - fitted) / new if new > 0 else float("nan")
            sys.stderr.write(f"fitted {fitted:.0f} of {sum(self.sizes)}, {left:.0f} s left\n")

    def done(self, number: int) -> None:
        """A chunk is finished."""
        self.update(number, 1.0)


def _in_turn(
    tasks: Iterable[tuple[int, Task]], _: int, bar: Bar
) -> Iterator[tuple[int, Posterior]]:
    for number, task in tasks:
        with _one_thread():
            found = _work(task, lambda done, number=number: bar.update(number, done))
        yield number, found


def _side_by_side(
    tasks: Iterable[tuple[int, Task]], n_workers: int, bar: Bar
) -> Iterator[tuple[int, Posterior]]:
    """Chunks in processes of their own; no more are sent than are being worked on."""
    context = multiprocessing.get_context("spawn")
    waiting = iter(tasks)
    running: dict[Future[Result], tuple[int, Task]] = {}
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_in_worker)
    try:
        while True:
            while len(running) < n_workers and (entry := next(waiting, None)) is not None:
                running[pool.submit(_work_elsewhere, entry[1])] = entry
            if not running:
                pool.shutdown()
                return
            done = wait(running, return_when=FIRST_COMPLETED).done
            # An error last: what was finished with it is kept.
            for future in sorted(done, key=lambda future: future.exception() is not None):
                number, task = running.pop(future)
                arrays, statistics = future.result()
                draws = {name: torch.from_numpy(values) for name, values in arrays.items()}
                batch = LightCurveBatch.from_light_curves(task.prepared.light_curves)
                yield number, Posterior(_on_cpu(task.sed), batch, draws, statistics)
    except BrokenProcessPool as error:
        raise ConfigError(
            "a process was killed, perhaps for want of memory: fewer workers or a smaller chunk "
            "need less; finished chunks are kept"
        ) from error
    finally:
        # After an error or Ctrl-C: what is being fitted is given up, finished chunks are kept.
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch while a chunk is fitted: its tensors are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_worker() -> None:
    """One thread a process; Ctrl-C is for the process that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _work(task: Task, progress: Callable[[float], None] | None = None) -> Posterior:
    """Fit a chunk; results are on the CPU."""
    found = fit_chunk(task.sed, task.prepared, task.options, task.settings, progress)
    # Contiguous, as they come back from disk: sums then agree to the last digit.
    draws = {
        k: v.to("cpu", torch.float32 if k == "epsilon" else None).contiguous()
        for k, v in found.draws.items()
    }
    return Posterior(_on_cpu(task.sed), found.batch.to("cpu"), draws, found.statistics)


def _work_elsewhere(task: Task) -> Result:
    """Fit a chunk in a process of its own.

    Arrays come back, not tensors: those would each hold a file open in both processes.
    """
    for bandpass in task.bandpasses:
        register_bandpass(bandpass)
    found = _work(task)
    return {name: values.numpy() for name, values in found.draws.items()}, found.statistics


def _task(
    sed: SEDModel, prepared: Prepared, options: FitOptions, settings: SamplerSettings, number: int
) -> Task:
    bandpasses = _bandpasses(prepared)
    for bandpass in bandpasses:
        # Computed here: another process may not know a standard that was registered in this one.
        _ = bandpass.zeropoint
    own = replace(settings, seed=settings.seed * SEED_STEP + number)
    return Task(sed, prepared, options, own, bandpasses)


def _bandpasses(prepared: Prepared) -> tuple[Bandpass, ...]:
    names = sorted({name for lc in prepared.light_curves for name in lc.bands})
    return tuple(get_bandpass(name) for name in names)


def _chunks(prepared: Prepared, size: int, workers: int) -> list[list[int]]:
    """Places of supernovae, those with as many observations together."""
    n = len(prepared.light_curves)
    size = min(size, -(-n // workers))
    order = sorted(range(n), key=lambda i: (len(prepared.light_curves[i]), i))
    return [order[first : first + size] for first in range(0, n, size)]


def _signature(
    prepared: Prepared,
    sed: SEDModel,
    options: FitOptions,
    settings: SamplerSettings,
    survey: SurveySettings,
    chunks: list[list[int]],
) -> dict[str, Any]:
    """All that the chunks' results depend on."""
    data, model, bands = (hashlib.sha256() for _ in range(3))
    for lc, muhat in zip(prepared.light_curves, prepared.muhat, strict=True):
        header = (lc.object_id, lc.peak_mjd, lc.redshift, lc.redshift_err, lc.mwebv, muhat)
        data.update(repr((header, lc.bands)).encode())
        for column in (lc.time, lc.flux, lc.flux_err, lc.band_index):
            data.update(column.tobytes())
    for tensor in sed.buffers():
        model.update(tensor.detach().cpu().numpy().tobytes())
    model.update(repr((sed.sigma0, sed.tau_a, sed.m0, sed.rv, sed.sigma_r, sed.n_nodes)).encode())
    for band in _bandpasses(prepared):
        bands.update(repr((band.name, band.zeropoint, band.magzero)).encode())
        bands.update(band.wave.tobytes() + band.transmission.tobytes())
    return {
        **asdict(options),
        **asdict(settings),
        "keep": survey.keep,
        "chunk": len(chunks[0]),
        "n_supernovae": len(prepared.light_curves),
        "model": model.hexdigest(),
        "bandpasses": bands.hexdigest(),
        "light_curves": data.hexdigest(),
    }


def _notes(posterior: Posterior) -> dict[str, Any]:
    return {
        "statistics": posterior.statistics.to_dict("list"),
        "epsilon_dropped": posterior.epsilon_dropped,
    }


def _restored(
    sed: SEDModel, prepared: Prepared, draws: dict[str, Tensor], notes: dict[str, Any]
) -> Posterior:
    from pandas import DataFrame

    batch = LightCurveBatch.from_light_curves(prepared.light_curves)
    statistics = DataFrame(notes["statistics"])
    dropped = notes["epsilon_dropped"]
    return Posterior(_on_cpu(sed), batch, draws, statistics, epsilon_dropped=dropped)


def _without_epsilon(posterior: Posterior) -> Posterior:
    draws = {k: v for k, v in posterior.draws.items() if k != "epsilon"}
    dropped = "epsilon" in posterior.draws
    return replace(posterior, draws=draws, epsilon_dropped=dropped)


def _on_cpu(sed: SEDModel) -> SEDModel:
    return deepcopy(sed).cpu() if sed.w0.is_cuda else sed


def _with_names(
    batch: LightCurveBatch, bands: tuple[str, ...], classes: tuple[str, ...]
) -> LightCurveBatch:
    """The batch, its bands and classes counted by common names."""
    band = torch.tensor([bands.index(name) for name in batch.bands] or [0])[batch.band]
    band = torch.where(batch.mask, band, 0)
    kinds = torch.tensor([*(classes.index(name) for name in batch.classes), -1])
    return replace(batch, band=band, bands=bands, label=kinds[batch.label], classes=classes)
