"""Fits of SALT2 or SALT3 to a batch of light curves, after sncosmo's ``fit_lc``.

Reference: sncosmo (Barbary et al.), ``fitting.fit_lc``. The order of events is the same: bands
that the model does not cover go; a first fit takes all observations and their own errors; then
observations outside the phase and wavelength ranges go, model errors are computed at the fitted
parameters, and the fit is repeated until the choice of observations stays and (with model errors)
no parameter moves by more than a tenth of its error. The covariance is the inverse of half the
Hessian of χ². Deviations: the start is the best of a grid (``starts``), and x1 and c are bounded.
"""

from __future__ import annotations

import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT
from sntorch.physics.salt.surfaces import SALTSurfaces
from sntorch.simulation.salt.chunk import Chunk
from sntorch.simulation.salt.data import FitData
from sntorch.simulation.salt.implicit import Fitted
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.options import N_PARAMETERS, SALTOptions
from sntorch.simulation.salt.result import FITTED, SALTFit


def fit_salt3(
    batch: LightCurveBatch,
    options: SALTOptions | None = None,
    surfaces: SALTSurfaces | None = None,
    differentiable: bool = False,
) -> SALTFit:
    """Fit t0, x0, x1 and c of every supernova of a batch, redshift and dust given.

    Args:
        batch: Light curves, with redshifts and Milky-Way E(B-V).
        options: Choices.
        surfaces: The model; default: that of ``options.source``.
        differentiable: ``parameters`` can be differentiated with respect to ``batch.flux`` and
            ``batch.flux_err`` (first derivatives, by the implicit function theorem).

    Raises:
        ConfigError: No such model or band.
    """
    options = options or SALTOptions()
    model = (surfaces or load_surfaces(options.source)).to(batch.device)
    flux, flux_err = batch.flux, batch.flux_err
    scale = 10 ** (0.4 * (FLUXCAL_ZEROPOINT - batch.zeropoint))
    with torch.no_grad():
        data = FitData.of(batch, model, scale)
        result = data.unfitted()
        data.judge(result, options)
        able = torch.nonzero(result.reason == FITTED).squeeze(1)
        # Like redshifts side by side need the fewest wavelengths.
        able = able[data.redshift[able].argsort()]
        slopes = [torch.zeros(*flux.shape, N_PARAMETERS).to(data.flux) for _ in range(2)]
        for rows in able.split(options.chunk) if len(able) else ():
            Chunk(data, rows, model, options).run(result, slopes if differentiable else None)
    if differentiable:
        by = [scale * s for s in slopes]
        result.parameters = Fitted.apply(flux, flux_err, result.parameters, *by)
    return result
