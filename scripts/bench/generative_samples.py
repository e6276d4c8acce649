"""The simulated samples on which generators are measured.

Training sets, held-out objects and fresh ones come from one simulation of one seed: a survey's
weather is drawn once a simulation, so samples of different seeds would be different populations.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sntorch.data.batch import LightCurveBatch

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
N_HELD_OUT, N_FRESH, N_TRAIN, N_COMMON = 3000, 2000, 350, 1000
SEEDS = range(1, 6)
RARE = "Ia"
# One class in a DES-like survey; the same with core-collapse supernovae, the common class.
ALONE, MIXED = "des_ia", "des_mixed"
SIMULATION_SEED = 3000
SHARE_MIXED = 0.38


def simulated(preset: str, n: int, seed: int) -> LightCurveBatch:
    """Objects of a preset in conf/simulation, in random order.

    The templates of core-collapse supernovae need sncosmo, which fetches them, or the folder
    $SNTORCH_SHARED/data/sncosmo (../shared by default).
    """
    if (SHARED / "data" / "sncosmo").is_dir():
        os.environ.setdefault("SNCOSMO_DATA_DIR", str(SHARED / "data" / "sncosmo"))
    with initialize_config_dir(str(ROOT / "conf" / "simulation"), version_base="1.3"):
        simulator = instantiate(compose(preset))
    return simulator.simulate(n, seed).batch


@dataclass(frozen=True)
class Samples:
    """SNe Ia to learn from and to compare with.

    Attributes:
        held_out: Compared with; nobody learns from them.
        fresh: As many as are generated: the floor that a perfect generator would reach.
        pool: Training objects of all seeds.
        common: Objects of common classes that may be learned from, or none.
    """

    held_out: LightCurveBatch
    fresh: LightCurveBatch
    pool: LightCurveBatch
    common: LightCurveBatch

    @classmethod
    def draw(cls, preset: str, seed: int) -> Self:
        """Simulate them."""
        n_ours = N_HELD_OUT + N_FRESH + N_TRAIN * len(SEEDS)
        n_all = n_ours if preset == ALONE else round(n_ours / SHARE_MIXED)
        batch = simulated(preset, n_all, seed)
        rare = batch.label == batch.classes.index(RARE)
        ours, others = rare.nonzero()[:, 0], (~rare).nonzero()[:, 0]
        if len(ours) < n_ours:
            raise SystemExit(f"{preset}: {len(ours)} {RARE} of {n_all}, {n_ours} are needed")
        edges = (N_HELD_OUT, N_HELD_OUT + N_FRESH, n_ours)
        return cls(
            batch[ours[: edges[0]]],
            batch[ours[edges[0] : edges[1]]],
            batch[ours[edges[1] : edges[2]]],
            batch[others[:N_COMMON]],
        )

    def train(self, n: int, seed: int) -> LightCurveBatch:
        """The first ``n`` objects of the training set of a seed; seeds share none."""
        first = N_TRAIN * SEEDS.index(seed)
        return self.pool[torch.arange(first, first + n)]
