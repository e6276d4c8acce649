"""Cadences and errors taken from real light curves.

Each simulated object is given the observing history of a real one: times relative to its peak,
bands, and the quality of each observation. The quality is kept as the ratio of the reported error
to the typical error of that band at that flux, so that an observation of another supernova,
brighter or fainter, gets the error that it would have had on the same night.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import ConfigError, DataError
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import Observations, Survey

MIN_FOR_FIT = 20
ITERATIONS = 15
SMALL_RESIDUAL = 0.05


def fit_error_relation(
    flux: NDArray[np.float64], flux_err: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Typical variance of one band as a function of flux: sky² + p F + (f F)².

    Args:
        flux: Observed fluxes, shape (N,), FLUXCAL.
        flux_err: Their errors, shape (N,), FLUXCAL.

    Returns:
        sky², p and f², none negative, sky² positive.
    """
    from scipy.optimize import nnls

    columns = _powers(flux)
    variance = flux_err**2
    typical, weight = variance, np.ones_like(variance)
    # Iterated weights: of relative residuals, so that faint and bright count alike, and by their
    # absolute values, so that a few bad nights do not lift the relation above the typical one.
    for _ in range(ITERATIONS):
        rows = weight[:, None] * columns / typical[:, None]
        scale = np.maximum(rows.max(0), np.finfo(float).tiny)
        coefficients = nnls(rows / scale, weight * variance / typical)[0] / scale
        coefficients[0] = max(coefficients[0], float(variance.min()) * 1e-2)
        typical = columns @ coefficients
        weight = 1 / np.sqrt(np.maximum(np.abs(variance / typical - 1), SMALL_RESIDUAL))
    return coefficients


def _powers(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    bright = np.clip(flux, 0, None)
    return np.stack([np.ones_like(bright), bright, bright**2], axis=-1)


class ResampledSurvey(Survey):
    """Observing histories of real objects, given to simulated ones.

    Args:
        light_curves: Real objects with a peak time in their header, or a function that reads them
            (so that a config can name ``sntorch.read`` partially).
        bands: Bands to keep; default: all that occur.
        name: Name of the survey; default: that of the light curves.
        phases: First and last phase of interest, rest-frame days.
        jitter: Standard deviation of a shift of the whole history in time, days; it keeps copies
            of one history from being identical.
        drop: Probability that an observation of a history is left out.
    """

    def __init__(
        self,
        light_curves: Sequence[LightCurve] | Callable[[], Sequence[LightCurve]],
        bands: Sequence[str] | None = None,
        name: str | None = None,
        phases: tuple[float, float] = (-20.0, 100.0),
        jitter: float = 1.0,
        drop: float = 0.0,
    ) -> None:
        curves = list(light_curves() if callable(light_curves) else light_curves)
        kept = [lc for lc in curves if len(lc) and np.isfinite(lc.peak_mjd)]
        if not kept:
            raise DataError(
                f"no cadence to resample: none of {len(curves)} light curves has observations "
                "and a peak time"
            )
        if jitter < 0 or not 0 <= drop < 1:
            raise ConfigError(
                f"resampling needs jitter >= 0 and drop in [0, 1); found {jitter} and {drop}"
            )
        self.name = name if name is not None else kept[0].survey
        self.bands = (
            tuple(bands)
            if bands is not None
            else tuple(sorted({b for lc in kept for b in lc.band}))
        )
        self.phases = (float(phases[0]), float(phases[1]))
        self.jitter, self.drop = jitter, drop
        histories = [_history(lc, self.bands) for lc in kept]
        self._fill([h for h in histories if len(h["time"])])

    def __len__(self) -> int:
        return len(self.peak_mjd)

    def __repr__(self) -> str:
        """All that a simulation depends on, in few words."""
        settings = f"phases={self.phases}, jitter={self.jitter}, drop={self.drop}"
        tensors = (self.peak_mjd, self.time, self.band, self.mask)
        tensors += (self.sky_err, self.poisson, self.relative_err)
        content = hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()[:16]
        bands = f"{len(self)} histories of {content}, bands={list(self.bands)}"
        return f"ResampledSurvey({self.name}, {bands}, {settings})"

    def observe(
        self, streams: Streams, redshift: Tensor, phases: tuple[Tensor, Tensor]
    ) -> Observations:
        """Observations of B objects; see ``Survey.observe``."""
        streams = streams.within("survey/" + self.name)
        chosen = (streams.uniform("history") * len(self)).long()
        since_peak = self.time[chosen] + self.jitter * streams.normal("jitter")[:, None]
        first = phases[0].clamp(min=self.phases[0]) * (1 + redshift)
        last = phases[1].clamp(max=self.phases[1]) * (1 + redshift)
        mask = self.mask[chosen] & (since_peak >= first[:, None]) & (since_peak <= last[:, None])
        if self.drop:
            mask &= streams.uniform("drop", since_peak.shape[1]) >= self.drop
        return Observations(
            time=self.peak_mjd[chosen][:, None] + since_peak,
            band=self.band[chosen],
            mask=mask,
            sky_err=self.sky_err[chosen],
            poisson=self.poisson[chosen],
            relative_err=self.relative_err[chosen],
            peak_mjd=self.peak_mjd[chosen],
            bands=self.bands,
        )

    def _fill(self, histories: list[dict[str, NDArray[np.float64]]]) -> None:
        """Pad the histories and give every observation its own error law."""
        joined = {k: np.concatenate([h[k] for h in histories]) for k in histories[0]}
        laws = np.stack([_relation(joined, i, name) for i, name in enumerate(self.bands)])
        for history in histories:
            law = laws[history["band"].astype(np.int64)]
            quality = history["flux_err"] ** 2 / (law * _powers(history["flux"])).sum(-1)
            history["sky_err"] = np.sqrt(quality * law[:, 0])
            history["poisson"] = quality * law[:, 1]
            history["relative_err"] = np.sqrt(quality * law[:, 2])
        self.time, self.mask = _padded(histories, "time")
        self.band = _padded(histories, "band")[0].long()
        self.sky_err = _padded(histories, "sky_err")[0]
        self.poisson = _padded(histories, "poisson")[0]
        self.relative_err = _padded(histories, "relative_err")[0]
        self.peak_mjd = torch.tensor(
            [float(h["peak_mjd"][0]) for h in histories], dtype=torch.float64
        )


def _history(light_curve: LightCurve, bands: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Observations of one object, times relative to peak; without other bands and upper limits."""
    position = {name: i for i, name in enumerate(bands)}
    lc = light_curve.with_zeropoint(FLUXCAL_ZEROPOINT)
    index = np.array([position.get(b, -1) for b in lc.band])
    kept = (index >= 0) & (lc.flux_err > 0) & np.isfinite(lc.flux) & ~np.asarray(lc.upper_limit)
    return {
        "time": lc.time[kept] - lc.peak_mjd,
        "flux": lc.flux[kept],
        "flux_err": lc.flux_err[kept],
        "band": index[kept].astype(np.float64),
        "peak_mjd": np.full(int(kept.sum()), lc.peak_mjd),
    }


def _relation(joined: dict[str, NDArray[np.float64]], i: int, name: str) -> NDArray[np.float64]:
    mine = joined["band"] == i
    if mine.sum() < MIN_FOR_FIT:
        raise DataError(
            f"band {name}: {int(mine.sum())} observations in the light curves to resample; "
            f"the error-flux relation needs at least {MIN_FOR_FIT}"
        )
    return fit_error_relation(joined["flux"][mine], joined["flux_err"][mine])


def _padded(histories: list[dict[str, NDArray[np.float64]]], name: str) -> tuple[Tensor, Tensor]:
    """One column of all histories, shape (N, T), and the mask of what is real."""
    width = max(len(h[name]) for h in histories)
    values, mask = np.zeros((len(histories), width)), np.zeros((len(histories), width), dtype=bool)
    for row, history in enumerate(histories):
        values[row, : len(history[name])] = history[name]
        mask[row, : len(history[name])] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
