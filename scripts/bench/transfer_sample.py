"""Real supernovae of the Open Supernova Catalog, and simulated ones observed as they were.

Bands: the real sample's filters are merged to the nearest of bessellb, bessellv, sdssg, sdssr and
sdssi (``MERGED_BANDS``, no colour term); supernovae are simulated in these five bandpasses
themselves, so that no band of the simulation is renamed. Fluxes of both are AB.

SNe Ia are SALT3's, core-collapse SNe are templates, with relative rates per volume and one
distribution of redshifts for all: that of a targeted sample, by eye between the quartiles of the
real one (0.017 and 0.19, median 0.034). Epochs, bands and quality of each observation are those of
real supernovae to learn from, never of those to be scored, whatever their type and redshift: that
distant ones were observed in gri and near ones in BV is not in the simulation, nor are the rarer
classes of the real sample (SLSN, Ibn, .Ia). Maximum is taken to be at the brightest observation:
real ones that were found after it lend epochs that begin at maximum.

Both are then made comparable alike: freed of Milky-Way dust, moved to one distance and to the rest
frame by the spectroscopic redshift, and cut to the phases that all sources know, around the
brightest observation. That reads whole light curves and redshifts: the task is typing afterwards.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from augmentation_targets import (
    MERGED_BANDS,
    SHARED,
    at_rest,
    osc_light_curves,
    well_observed,
)
from generative_samples import ROOT
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray
from transfer_training import GROUPS

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.magnitudes import offset
from sntorch.data.transforms import Deredden, PhaseRange
from sntorch.simulation import (
    LogNormal,
    MinDetections,
    NoiseModel,
    ResampledSurvey,
    Simulator,
)

# Rest-frame days from the brightest observation.
PHASES = (-20.0, 45.0)
REDSHIFTS = {"median": 0.045, "sd": 1.3, "low": 0.003, "high": 0.5}
FEWEST_DETECTIONS = 5


@cache
def real_sample() -> tuple[list[LightCurve], LightCurveBatch, tuple[str, ...]]:
    """The real SNe: as observed, as classifiers see them, and their types; in the same order."""
    observed = osc_light_curves()
    types = tuple(sorted({lc.type for lc in observed}))
    whole = observed.to_batch(bands=tuple(MERGED_BANDS), classes=types)
    batch = comparable(whole)
    by_name = {lc.object_id: lc for lc in observed}
    names = tuple(types[i] for i in batch.label.tolist())
    return [by_name[name] for name in batch.object_id], GROUPS(batch), names


def comparable(batch: LightCurveBatch) -> LightCurveBatch:
    """AB fluxes at one distance without dust, in the rest frame, around the brightest one."""
    batch = around_brightest(Deredden()(batch))
    batch = PhaseRange(*PHASES, rest_frame=True)(batch)
    return well_observed(at_rest(batch)).trim()


def around_brightest(batch: LightCurveBatch) -> LightCurveBatch:
    """The batch with the time of each object's brightest observation for its reference time."""
    flux = torch.where(batch.mask, batch.flux, -torch.inf)
    return replace(batch, t_ref=batch.time.gather(1, flux.argmax(1, keepdim=True))[:, 0])


def simulated_like(histories: list[LightCurve], n: int, seed: int) -> LightCurveBatch:
    """Simulated SNe with the epochs of real ones, as classifiers see them.

    Args:
        histories: Real SNe that may be learned from.
        n: Number of simulated ones; some are lost to the phases that are kept.
        seed: Of the simulation.
    """
    if (SHARED / "data" / "sncosmo").is_dir():
        os.environ.setdefault("SNCOSMO_DATA_DIR", str(SHARED / "data" / "sncosmo"))
    survey = ResampledSurvey(
        [_history(lc) for lc in histories], tuple(MERGED_BANDS), "OSC", PHASES, jitter=1.0
    )
    simulator = Simulator(
        **_supernovae(),
        survey=survey,
        noise=NoiseModel(zeropoint_err=0.0, redshift_err=0.0005, peak_err=0.5),
        selection=MinDetections(FEWEST_DETECTIONS, 5.0),
    )
    batch = simulator.simulate(n, seed).batch
    factor = torch.from_numpy(_to_ab())[batch.band]
    ab = replace(batch, flux=batch.flux * factor, flux_err=batch.flux_err * factor)
    return GROUPS(comparable(ab))


def _supernovae() -> dict[str, Any]:
    """Source and population."""
    with initialize_config_dir(str(ROOT / "conf" / "simulation"), version_base="1.3"):
        config = compose("lsst_mixed")
    population = instantiate(config.population, _convert_="all")
    kinds = [replace(one, redshift=LogNormal(**REDSHIFTS)) for one in population.populations]
    return {
        "source": instantiate(config.source, _convert_="all"),
        "population": type(population)(kinds, population.fractions),
    }


def _history(light_curve: LightCurve) -> LightCurve:
    """An object in the bands' own magnitudes, with its brightest observation for the peak."""
    scale = _to_ab()[light_curve.band_index]
    return replace(
        light_curve,
        flux=light_curve.flux / scale,
        flux_err=light_curve.flux_err / scale,
        peak_mjd=float(light_curve.time[np.argmax(light_curve.flux)]),
    )


def _to_ab() -> NDArray[np.float64]:
    """What a flux in each band's own system is multiplied by to be an AB flux."""
    return np.array([10 ** (0.4 * offset(band, "ab")) for band in MERGED_BANDS])
