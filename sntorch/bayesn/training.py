"""Training: the posterior of a population of SNe Ia, and of its SED, from a sample.

Three steps, each the start of the next: the mode of the shared parameters with the supernovae's
own integrated out (``inference.mode``), a variational fit with a structured guide
(``inference.structured``), and NUTS in the guide's coordinates (``inference.long_run``). Any of
the three can be the last: ``map``, ``svi``, ``nuts``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.linearised import Reference
from sntorch.bayesn.postprocessing import aligned
from sntorch.bayesn.starting_surfaces import starting_point
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.errors import ConfigError, check_number
from sntorch.inference.chunks import ChunkStore
from sntorch.inference.clock import Clock
from sntorch.inference.hierarchical import Conditional, HierarchicalDensity
from sntorch.inference.long_run import SUMS, BlockOfDraws, RunSettings, long_run
from sntorch.inference.mode import laplace_factor, shared_mode
from sntorch.inference.structured import fit_structured

log = logging.getLogger(__name__)

SAMPLERS = ("nuts", "svi", "map")
KEEP = ("all", "scalars")
# The mode is searched, the model linearised there, and the mode searched again.
ROUNDS = (1.0, 0.5)
START, CHAINS = "start", "chains"
# Draws of the guide made at once.
TOGETHER = 100


@dataclass(frozen=True)
class TrainingSettings:
    """How a population is trained.

    Attributes:
        sampler: ``nuts``; ``svi``, the variational fit, of which ``chains`` × ``draws``
            independent draws are taken; or ``map``, the mode alone.
        chains, warmup, draws, block, target_accept, max_tree_depth, seed: See ``RunSettings``.
        mode_iterations: Of L-BFGS, at most.
        svi_iterations, svi_draws: Steps of the variational fit, and draws of each.
        threads: Parts of the sample that are worked on at once.
        keep: ``all``, or ``scalars`` without every supernova's ε.

    Raises:
        ConfigError: A value that is not accepted.
    """

    sampler: str = "nuts"
    chains: int = 4
    warmup: int = 500
    draws: int = 500
    block: int = 25
    target_accept: float = 0.8
    max_tree_depth: int = 8
    seed: int = 0
    mode_iterations: int = 300
    svi_iterations: int = 150
    svi_draws: int = 8
    threads: int = 1
    keep: str = "all"

    def __post_init__(self) -> None:
        for name, accepted in (("sampler", SAMPLERS), ("keep", KEEP)):
            if getattr(self, name) not in accepted:
                value = getattr(self, name)
                raise ConfigError(f"{name}={value}: accepted are {', '.join(accepted)}")
        for name in ("mode_iterations", "svi_iterations", "svi_draws", "threads"):
            check_number(name, getattr(self, name), whole=True)
            if getattr(self, name) is None or getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: at least 1 is accepted")
        if self.svi_draws % 2:
            raise ConfigError(f"svi_draws={self.svi_draws}: an even number is accepted")
        self.run()

    def run(self) -> RunSettings:
        """Those of the long run."""
        return RunSettings(**{f.name: getattr(self, f.name) for f in fields(RunSettings)})


@dataclass(eq=False)
class Status:
    """What a watcher is told after every block of trajectories.

    Attributes:
        index: The block's number.
        warming: Whether it belongs to the warm-up.
        done: Fraction of all trajectories that are over.
        step_size, acceptance, leapfrogs, divergences: Of every chain, shape (C,); per trajectory.
        parameters: Scalars of the population, shape (C, n).
    """

    index: int
    warming: bool
    done: float
    step_size: Tensor
    acceptance: Tensor
    leapfrogs: Tensor
    divergences: Tensor
    parameters: dict[str, Tensor]


@dataclass(eq=False)
class Trained:
    """The posterior of a hierarchical model.

    Attributes:
        model: The model and its sample.
        settings: How it was trained.
        draws: Parameters (C, S, ...): shared ones, and ``theta``, ``av``, ``ds`` (``rv_sn``,
            ``tmax``, ``epsilon``) with a dimension for supernovae; θ and W1 with one sign and, but
            for the mode, θ of unit variance.
        sums: Leapfrogs, divergences, acceptance and depths of the kept trajectories, summed by
            chain, shape (C,); empty without NUTS.
        energy: Of every kept trajectory, shape (C, S), or None.
        elbo: Evidence lower bound by iteration of the variational fit, or None.
        seconds: Wall seconds and CPU seconds of each step, of all runs that it took.
    """

    model: HierarchicalModel
    settings: TrainingSettings
    draws: dict[str, Tensor]
    sums: dict[str, Tensor] = field(default_factory=dict)
    energy: Tensor | None = None
    elbo: Tensor | None = None
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def divergences(self) -> int:
        """Divergent trajectories among the kept."""
        return int(self.sums["divergences"].sum().round()) if self.sums else 0


def train(
    model: HierarchicalModel,
    settings: TrainingSettings | None = None,
    folder: str | Path | None = None,
    watch: Callable[[Status], None] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Trained:
    """Sample the posterior of a hierarchical model.

    Args:
        model: Population, surfaces and sample.
        settings: How.
        folder: Where the start and finished blocks are kept: a run that was stopped goes on from
            there.
        watch: Called after every block of NUTS.
        progress: Called with the step's name and the fraction of it that is done.

    Raises:
        DataError: The density is no number at the initial point.
        ConfigError: The folder holds another run.
    """
    settings = settings or TrainingSettings()
    job = _Job(model, settings, folder, progress or (lambda step, done: None))
    with torch.no_grad():
        if settings.sampler == "map":
            return job.mode_only()
        if settings.sampler == "svi":
            return job.variational()
        return job.nuts(watch)


class _Job:
    """One training: the density, the clock and the folder."""

    def __init__(
        self,
        model: HierarchicalModel,
        settings: TrainingSettings,
        folder: str | Path | None,
        tell: Callable[[str, float], None],
    ) -> None:
        self.model, self.settings, self.tell = model, settings, tell
        self.hierarchy = JointDensity(model, threads=settings.threads)
        self.density = HierarchicalDensity(self.hierarchy, settings.threads)
        self.device = model.sed.w0.device
        self.seconds: dict[str, tuple[float, float]] = {}
        self.elbo: Tensor | None = None
        self.stores: dict[str, ChunkStore | None] = {START: None, CHAINS: None}
        if folder is not None:
            signature = _signature(self.hierarchy, settings)
            self.stores = {k: ChunkStore(Path(folder) / k, signature) for k in self.stores}

    def mode_only(self) -> Trained:
        """The mode as a single draw."""
        phi = self._timed("mode", self._mode)
        x = phi.new_zeros(self.density.size, 1, self.hierarchy.n_own)
        z = self.density.joined(phi[None], self.density.whiten(phi[None], x))
        return self._trained([self._parameters(z[:, None])])

    def variational(self) -> Trained:
        """Independent draws of the guide."""
        guide = self.begin()
        chains = self.settings.chains
        generator = self._random("draws")
        parts = []
        for part in torch.arange(self.settings.draws).split(max(TOGETHER // chains, 1)):
            x = torch.randn(
                (1, chains * len(part), self.density.dim),
                generator=generator,
                dtype=guide.mean.dtype,
                device=self.device,
            )
            z = guide.outside(x)[0].unflatten(0, (chains, len(part)))
            parts.append(self._parameters(z))
        return self._trained(parts)

    def nuts(self, watch: Callable[[Status], None] | None) -> Trained:
        """The long run."""
        parts: list[dict[str, Tensor]] = []
        energy: list[Tensor] = []
        sums: dict[str, Tensor] = {}

        def tell(done: float) -> None:
            self.tell("nuts", done)

        seconds = []
        for block in long_run(self.begin(), self.settings.run(), self.stores[CHAINS], tell):
            seconds.append(block.seconds)
            if watch is not None:
                watch(self._status(block))
            if block.warming:
                continue
            parts.append(self._parameters(block.z))
            energy.append(block.energy)
            for name in SUMS:
                more = getattr(block, name)
                sums[name] = sums[name] + more if name in sums else more
        wall, cpu = (sum(column) for column in zip(*seconds, strict=True))
        self.seconds["nuts"] = wall, cpu
        trained = self._trained(parts)
        trained.sums, trained.energy = sums, torch.cat(energy, 1)
        return trained

    def begin(self) -> Conditional:
        """The guide: read back, or found by way of the mode."""
        store = self.stores[START]
        found = store.load(0) if store is not None else None
        if found is not None:
            self.seconds.update({k: tuple(v) for k, v in found[1]["seconds"].items()})
            return self._restored(found[0])
        phi = self._timed("mode", self._mode)
        factor = self._timed("laplace", lambda: laplace_factor(self.density, phi))
        start = Conditional.around(self.density, phi, factor)
        fitted = self._timed("svi", lambda: self._svi(start, self._random("svi")))
        self.elbo = fitted.elbo
        if store is not None:
            guide = fitted.coordinates
            reference = {f"at_{k}": v for k, v in vars(self.reference).items()}
            parts = {name: getattr(guide, name) for name in GUIDE}
            seconds = {k: list(v) for k, v in self.seconds.items()}
            store.save(0, {**parts, **reference, "elbo": fitted.elbo}, {"seconds": seconds})
        return fitted.coordinates

    def _restored(self, tensors: dict[str, Tensor]) -> Conditional:
        moved = {k: v.to(self.device) for k, v in tensors.items()}
        names = [f.name for f in fields(Reference)]
        self.hierarchy.linearise(Reference(**{k: moved[f"at_{k}"] for k in names}))
        self.elbo = moved["elbo"]
        return Conditional(self.density, **{name: moved[name] for name in GUIDE})

    def _mode(self) -> Tensor:
        phi = starting_point(self.hierarchy, self.settings.seed)
        for round_, share in enumerate(ROUNDS):
            most = max(int(share * self.settings.mode_iterations), 1)
            phi, value, n = shared_mode(
                self.density, phi, most, lambda done: self.tell("mode", done)
            )
            log.info("mode %d: ln p = %.1f after %d evaluations", round_ + 1, value, n)
            self._linearise(phi)
        return phi

    def _linearise(self, phi: Tensor) -> None:
        zero = phi.new_zeros(self.density.size, 1, self.hierarchy.n_own)
        z = self.density.whiten(phi[None], zero)
        self.reference = self.hierarchy.reference(phi[None], z)
        self.hierarchy.linearise(self.reference)

    def _svi(self, start: Conditional, generator: torch.Generator) -> Any:
        settings = self.settings
        return fit_structured(
            start,
            generator,
            settings.svi_iterations,
            settings.svi_draws,
            lambda done: self.tell("svi", done),
        )

    def _timed(self, name: str, run: Callable[[], Any]) -> Any:
        clock = Clock()
        result = run()
        self.seconds[name] = clock.seconds()
        return result

    def _status(self, block: BlockOfDraws) -> Status:
        n = block.z.shape[1]
        phi = block.z[..., : self.hierarchy.n_shared]
        values = self.hierarchy.constrain(phi)
        return Status(
            index=block.index,
            warming=block.warming,
            done=block.done,
            step_size=block.step_size,
            acceptance=block.accepted / n,
            leapfrogs=block.leapfrogs / n,
            divergences=block.divergences / n,
            parameters={k: v for k, v in values.items() if v.ndim == 2},
        )

    def _random(self, purpose: str) -> torch.Generator:
        """A stream of random numbers of this purpose and seed."""
        words = f"{purpose} {self.settings.seed}".encode()
        # A CPU's generator keeps the last 32 bits of a seed.
        seed = int.from_bytes(hashlib.sha256(words).digest()[:4])
        return torch.Generator(device=self.device).manual_seed(seed)

    def _trained(self, parts: list[dict[str, Tensor]]) -> Trained:
        """With draws that come in parts (C, n, ...), whose dictionaries are emptied."""
        # One parameter after another: the largest is not held twice together with the others.
        draws = {name: torch.cat([p.pop(name) for p in parts], 1) for name in list(parts[0])}
        # At the mode θ is drawn to zero: its scale there is not the population's.
        return Trained(
            self.model,
            self.settings,
            aligned(draws, self.model.sed, scale=self.settings.sampler != "map"),
            elbo=self.elbo,
            seconds=self.seconds,
        )

    def _parameters(self, z: Tensor) -> dict[str, Tensor]:
        """Parameters of draws (C, n, D), on the CPU."""
        shape = z.shape[:2]
        phi, own = self.density.split(z.flatten(0, 1))
        named = {**self.hierarchy.constrain(phi), **self.hierarchy.own(phi, own)}
        if self.settings.keep == "scalars":
            named.pop("epsilon")
        return {k: v.unflatten(0, shape).cpu() for k, v in named.items()}


GUIDE = ("mean", "scale_tril", "own_mean", "own_scale")


def _signature(hierarchy: JointDensity, settings: TrainingSettings) -> dict[str, Any]:
    """All that a run depends on, to be compared when it goes on."""
    model, block = hierarchy.model, hierarchy.likelihood.block
    sample, sed = model.sample, model.sed
    # Threads change the order of sums, not what is summed: results differ in the last digits. More
    # draws go on where the chains are.
    free = ("threads", "keep", "draws")
    how = {k: v for k, v in asdict(settings).items() if k not in free}
    o = sample.observations
    own = (sample.distance_err, sample.host_mass, sample.redshift_cmb)
    return {
        **how,
        "population": repr(model.population),
        **({} if model.selection is None else {"selection": model.selection.rule}),
        "surfaces": f"{type(model.surfaces).__name__} {_settings(model.surfaces)}",
        "magnitudes": model.magnitudes,
        "free_tmax": model.free_tmax,
        "n_nodes": sed.n_nodes,
        "supernovae": list(sample.object_id),
        "light_curves": _digest([*(v for v in vars(o).values() if isinstance(v, Tensor)), *own]),
        "sed_model": _digest([v for _, v in sorted(sed.named_buffers())]),
        "m0": sed.m0,
        "bands": list(o.bands),
        # Two curves may have one name.
        "bandpasses": _digest([v for v in (block.weights, block.day_weights) if v is not None]),
        # Random numbers of a GPU are others than those of a CPU.
        "device": sed.w0.device.type,
    }


def _settings(surfaces: FixedSED | TrainedSED) -> dict[str, Any]:
    return {k: v for k, v in vars(surfaces).items() if isinstance(v, int | float)}


def _digest(tensors: list[Tensor]) -> str:
    """SHA-256 of tensors' bytes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
