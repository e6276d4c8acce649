"""What the augmentation experiment is done on: simulated SNe, PLAsTiCC's, and real ones.

Data lie below $SNTORCH_SHARED (../shared by default).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from generative_samples import MIXED, SHARED, simulated

from sntorch.data.batch import LightCurveBatch
from sntorch.data.io import read
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.magnitudes import offset
from sntorch.data.taxonomy import default_taxonomy
from sntorch.data.transforms import Deredden, PhaseRange
from sntorch.features.summary import DETECTION_SNR
from sntorch.generative.evaluate.augmentation import Benchmark
from sntorch.physics.cosmology import Cosmology

SEED = 2000
FULL = {"n_simulated": 12_000, "n_common": 1000}
QUICK = {"n_simulated": 3000, "n_common": 400}

PLASTICC_SN = ("Ia", "Ia-91bg", "Iax", "II", "Ibc", "SLSN-I")
# The rare classes with enough objects for a test half, and how many of them one has.
PLASTICC_RARE = {"Ibc": (30, 100), "Ia-91bg": (30,), "Iax": (30,)}
PLASTICC_COMMON = 500
PLASTICC_PHASES = (-30.0, 100.0)
FEWEST_DETECTIONS = 5

# Real SNe have ten kinds of filters; those that nearly see the same are read as one.
MERGED_BANDS = {
    "bessellb": ("bessellb", "cspb", "uvot::b"),
    "bessellv": ("bessellv", "cspv9844", "uvot::v"),
    "sdssg": ("sdssg", "ps1::g", "cspg"),
    "sdssr": ("sdssr", "ps1::r", "cspr", "bessellr"),
    "sdssi": ("sdssi", "ps1::i", "cspi", "besselli"),
}
# With what the taxonomy has below them.
OSC_RARE = ("IIn", "SLSN-I", "Ic", "IIb")
OSC_PHASES = (-30.0, 150.0)
# Claims that leave open which of our classes an object is of.
OSC_OPEN = ("", "SN", "CC", "SLSN", "Ibc")
# Distance modulus, mag, at which the light curves of real SNe are put side by side.
OSC_DISTMOD = 35.0


@dataclass(frozen=True)
class Target:
    """A sample with a rare class, large enough for a test half.

    Attributes:
        name: What it is called.
        rare: The rare class.
        numbers: How many rare objects one has.
        settings: What the sample depends on.
        n_common: Training objects of the common class.
        load: Makes or reads the sample, in random order.
    """

    name: str
    rare: str
    numbers: tuple[int, ...]
    settings: dict[str, Any]
    n_common: int
    load: Callable[[], LightCurveBatch]

    def benchmark(self) -> Benchmark:
        """The samples of the experiment."""
        return Benchmark.of(self.load(), self.rare, self.n_common)


def simulated_target(sizes: dict[str, int]) -> Target:
    """SNe Ia among core-collapse SNe, all of one simulation of one seed: a survey's weather is
    drawn once a seed.
    """
    settings = {"simulation": MIXED, "rare": "Ia", "seed": SEED, **sizes}
    load = lambda: simulated(MIXED, sizes["n_simulated"], SEED)  # noqa: E731
    return Target("simulated", "Ia", (10, 30, 100, 350), settings, sizes["n_common"], load)


def plasticc_target(rare: str) -> Target:
    """A rare class of the supernovae of PLAsTiCC's training set, among the other classes."""
    settings = {
        "sample": "plasticc",
        "rare": rare,
        "seed": SEED,
        "n_common": PLASTICC_COMMON,
        "phases": list(PLASTICC_PHASES),
        "detections": FEWEST_DETECTIONS,
    }
    numbers = PLASTICC_RARE[rare]
    return Target(f"plasticc {rare}", rare, numbers, settings, PLASTICC_COMMON, plasticc)


def plasticc(deep: bool = True) -> LightCurveBatch:
    """The supernovae of PLAsTiCC's training set in random order, from 30 days before the first
    5-sigma detection to 100 after, with five detections or more there.

    Args:
        deep: Whether to keep those of the deep drilling fields, which have three times as many
            observations.
    """
    path = SHARED / "data" / "plasticc" / "plasticc_train_lightcurves.csv.gz"
    light_curves = read(path).filter(
        lambda lc: lc.type in PLASTICC_SN and (deep or not lc.meta["ddf_bool"])
    )
    bands = [f"lsst{letter}" for letter in "ugrizy"]
    batch = well_observed(PhaseRange(*PLASTICC_PHASES)(light_curves.to_batch(bands=bands)))
    order = np.random.default_rng(SEED).permutation(len(batch))
    return batch[torch.from_numpy(order)].trim()


def open_supernova_catalog(bands: tuple[str, ...] = tuple(MERGED_BANDS)) -> LightCurveBatch:
    """Real SNe of the Open Supernova Catalog, 2010-2014, made comparable.

    Bad observations, limits and filters other than those of ``MERGED_BANDS`` are left out, as are
    objects whose type is open. Magnitudes are brought to AB, freed of Milky-Way dust and moved to
    one distance by the redshift, times to the rest frame. Differences of the merged filters (no
    colour term, some 0.1 mag) and of the rest-frame wavelengths remain; redshifts of the nearest
    carry their peculiar velocities.

    Args:
        bands: Of ``MERGED_BANDS``; objects with five detections in them are kept.
    """
    merged = osc_light_curves().map(with_rare_type)
    batch = Deredden()(merged.to_batch(bands=bands))
    batch = PhaseRange(*OSC_PHASES, rest_frame=True)(batch)
    return well_observed(at_rest(batch)).trim()


def osc_light_curves() -> LightCurves:
    """The real SNe of known type and redshift in ``MERGED_BANDS``, with AB fluxes."""
    light_curves = read(
        SHARED / "data" / "osc_2010_2014" / "photometry.csv.gz", bad_rows="drop"
    ).filter(lambda lc: lc.type not in OSC_OPEN and lc.redshift > 0)
    return light_curves.map(in_merged_bands).filter(lambda lc: len(lc) > 0)


def with_rare_type(light_curve: LightCurve) -> LightCurve:
    """An object of a subclass of a rare class as one of that class."""
    is_a = default_taxonomy().is_a
    kind = next((rare for rare in OSC_RARE if is_a(light_curve.type, rare)), light_curve.type)
    return replace(light_curve, type=kind)


def in_merged_bands(light_curve: LightCurve) -> LightCurve:
    """The detections and measurements in ``MERGED_BANDS``, as AB fluxes."""
    new = {old: name for name, olds in MERGED_BANDS.items() for old in olds}
    bands, names = light_curve.bands, tuple(MERGED_BANDS)
    place = np.array([names.index(new[b]) if b in new else -1 for b in bands])
    # Offsets are from AB to the bandpass's own system.
    to_ab = np.array([10 ** (0.4 * offset(b, "ab")) if b in new else np.nan for b in bands])
    scale = to_ab[light_curve.band_index]
    whole = replace(
        light_curve,
        bands=names,
        band_index=place[light_curve.band_index],
        flux=light_curve.flux * scale,
        flux_err=light_curve.flux_err * scale,
    )
    return whole.keep((whole.band_index >= 0) & ~np.asarray(whole.upper_limit))


def at_rest(batch: LightCurveBatch) -> LightCurveBatch:
    """Phases in the rest frame, and fluxes as they were at a distance modulus of 35 mag."""
    distmod = Cosmology().distmod(batch.redshift)
    scale = (10 ** (0.4 * (distmod - OSC_DISTMOD)))[:, None]
    phase = batch.phase / (1 + batch.redshift[:, None])
    return replace(
        batch,
        time=torch.where(batch.mask, batch.t_ref[:, None] + phase, 0.0),
        flux=torch.where(batch.mask, batch.flux * scale, 0.0),
        flux_err=torch.where(batch.mask, batch.flux_err * scale, 1.0),
    )


def well_observed(batch: LightCurveBatch) -> LightCurveBatch:
    """The objects with five detections or more."""
    detected = batch.mask & (batch.flux >= DETECTION_SNR * batch.flux_err)
    return batch[detected.sum(1) >= FEWEST_DETECTIONS]
