"""Supernovae that might be trained on: their redshifts and host masses, the cuts, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sntorch.bayesn.preparation import Prepared, find_header
from sntorch.bayesn.sample_settings import SampleSettings
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import DataError
from sntorch.physics.cosmology import SPEED_OF_LIGHT
from sntorch.physics.sed import SEDModel

Headers = Mapping[str, Mapping[str, float]]
MASS_KEYS = ("HOSTGAL_LOGMASS", "HOST_LOGMASS")
# km/s: what is more is a code for unknown.
FASTEST = 9_000.0
# Two objects, not one, if their redshifts differ by more.
APART = 0.005


@dataclass(frozen=True, eq=False)
class Candidate:
    """One supernova, prepared.

    Attributes:
        light_curve: With the observations that the model describes.
        redshift_cmb: In the frame of the cosmic microwave background.
        host_mass: log10 of the host's stellar mass in solar masses, NaN where unknown.
    """

    light_curve: LightCurve
    redshift_cmb: float
    host_mass: float


def join_by_name(light_curves: Sequence[LightCurve]) -> list[LightCurve]:
    """One light curve for each name, with the header of the first of that name.

    Raises:
        DataError: Two objects of one name.
    """
    groups: dict[str, list[LightCurve]] = {}
    for lc in light_curves:
        groups.setdefault(lc.object_id, []).append(lc)
    return [parts[0] if len(parts) == 1 else _join(parts) for parts in groups.values()]


def _join(parts: list[LightCurve]) -> LightCurve:
    redshifts = [lc.redshift for lc in parts if np.isfinite(lc.redshift)]
    if redshifts and max(redshifts) - min(redshifts) > APART:
        listed = " and ".join(f"{z:.4f}" for z in sorted(set(redshifts)))
        raise DataError(f"{parts[0].object_id}: light curves of this name have redshifts {listed}")
    parts = [lc.with_zeropoint(FLUXCAL_ZEROPOINT) for lc in parts]
    first = np.cumsum([0, *(len(lc.bands) for lc in parts[:-1])])
    columns = ("time", "flux", "flux_err", "upper_limit")
    return replace(
        parts[0],
        bands=tuple(name for lc in parts for name in lc.bands),
        band_index=np.concatenate([lc.band_index + n for lc, n in zip(parts, first, strict=True)]),
        **{name: np.concatenate([getattr(lc, name) for lc in parts]) for name in columns},
    )


def candidates(prepared: Prepared, headers: Headers, settings: SampleSettings) -> list[Candidate]:
    """Those that can be fitted, with redshift, its error and host mass as training wants them.

    Args:
        prepared: Of ``preparation.prepare``.
        headers: That it was given; they win over the files' own.
        settings: Of the sample.
    """
    found = []
    for lc, z in zip(prepared.light_curves, prepared.redshift_cmb, strict=True):
        header = find_header(headers, lc)
        errors = (header.get("redshift_cmb_err"), lc.redshift_err, settings.redshift_err)
        error = next((float(e) for e in errors if e is not None and 0 <= e < np.inf), np.nan)
        if settings.flow_correction and not np.isfinite(header.get("redshift_cmb", np.nan)):
            z = _without_flow(lc, z)
        completed = replace(lc, redshift_err=error)
        found.append(Candidate(completed, z, _host_mass(lc, header)))
    return found


def _without_flow(light_curve: LightCurve, redshift: float) -> float:
    """The redshift without the peculiar velocity of the header, in SNANA's sign."""
    velocity = light_curve.meta.get("VPEC")
    if not isinstance(velocity, int | float) or not abs(velocity) < FASTEST:
        return redshift
    return (1 + redshift) * (1 + velocity / SPEED_OF_LIGHT) - 1


def _host_mass(light_curve: LightCurve, header: Mapping[str, float]) -> float:
    # Files have -1, -9 or -999 where it is unknown.
    values = [header.get("host_mass"), *(light_curve.meta.get(key) for key in MASS_KEYS)]
    known = (float(v) for v in values if isinstance(v, int | float) and 0 < v < np.inf)
    return next(known, np.nan)


def cut(
    found: Iterable[Candidate], settings: SampleSettings
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Those to train on, with only the observations that the likelihood can use and without
    gaps in the redshifts' errors; names and reasons of the others.
    """
    chosen, excluded = [], []
    for c in found:
        lc = c.light_curve
        used = lc.keep(lc.flux > 0) if settings.likelihood == "magnitude" else lc
        c = replace(
            c, light_curve=replace(used, redshift_err=float(np.nan_to_num(lc.redshift_err)))
        )
        if reason := _reason(c, settings):
            excluded.append((lc.object_id, reason))
        else:
            chosen.append(c)
    return chosen, excluded


def _reason(c: Candidate, settings: SampleSettings) -> str:
    """Why a supernova is left out; empty where it is not."""
    if c.light_curve.object_id in map(str, settings.exclude):
        return "excluded by name"
    n, least = len(c.light_curve), settings.preparation.min_observations
    if n < least:
        return f"too few points: {n} with flux > 0, {least} are needed"
    names = _bands(c.light_curve)
    if len(names) < settings.min_bands:
        return f"only in {', '.join(names)}: {settings.min_bands} bands are needed"
    if not c.redshift_cmb > 0:
        return f"redshift_cmb={c.redshift_cmb:.5f} tells no distance"
    limits = (
        ("redshift_cmb", c.redshift_cmb, settings.min_redshift, settings.max_redshift),
        ("mwebv", c.light_curve.mwebv, None, settings.max_mwebv),
    )
    for name, value, low, high in limits:
        if low is not None and value < low:
            return f"{name}={value:.4f}: at least {low:g} is accepted"
        if high is not None and value > high:
            return f"{name}={value:.4f}: at most {high:g} is accepted"
    return "no host mass" if settings.need_host_mass and np.isnan(c.host_mass) else ""


def _bands(light_curve: LightCurve) -> list[str]:
    return sorted({light_curve.bands[i] for i in np.unique(light_curve.band_index)})


def contents(chosen: Sequence[Candidate]) -> list[str]:
    """Notes of what the sample holds."""
    counts = Counter(str(name) for c in chosen for name in c.light_curve.band)
    each = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
    z = [c.redshift_cmb for c in chosen]
    masses = sum(np.isfinite(c.host_mass) for c in chosen)
    return [
        f"{len(chosen)} supernovae at redshifts {min(z):.4f} to {max(z):.4f}, "
        f"{masses} with a host mass",
        f"{sum(counts.values())} observations: {each}",
    ]


def left_out(
    found: Sequence[Candidate],
    joined: Sequence[LightCurve],
    dropped: Sequence[Sequence[str]],
    sed: SEDModel,
    settings: SampleSettings,
) -> list[str]:
    """Notes of the observations that training does not see, and of what was assumed.

    Args:
        found: The chosen, as they were before the cuts.
        joined: All light curves, before anything was left out.
        dropped: Bands left out of each of ``found``.
        sed: The model.
        settings: Of the sample.
    """
    before = {lc.object_id: lc for lc in joined}
    first, last = sed.phase_range
    early_or_late = sum(_outside(c.light_curve, before, first, last) for c in found)
    faint = sum(int((c.light_curve.flux <= 0).sum()) for c in found)
    unknown = sum(np.isnan(c.light_curve.redshift_err) for c in found)
    bands = Counter(name for names in dropped for name in names)
    where = "outside the wavelength knots, or as asked"
    counted = [
        (early_or_late, f"observations outside {first:g} to {last:g} rest-frame days left out"),
        (faint * (settings.likelihood == "magnitude"), "observations of flux <= 0 left out"),
        (unknown, "redshifts without an error: taken as exact"),
    ]
    return [f"{n} {text}" for n, text in counted if n] + [
        f"band {name} left out of {n} supernovae: {where}" for name, n in sorted(bands.items())
    ]


def _outside(
    light_curve: LightCurve, before: Mapping[str, LightCurve], first: float, last: float
) -> int:
    """Observations of a supernova outside the phases, in all bands."""
    time = before[light_curve.object_id].time
    phase = (time - light_curve.peak_mjd) / (1 + light_curve.redshift)
    return int(((phase <= first) | (phase >= last)).sum())
