"""ParSNIP: a variational autoencoder whose decoder is a spectrum seen through physics.

Boone 2021, AJ 162, 275 (arXiv:2109.13999). Each object has an amplitude A, a time of reference
t0, a colour c and S numbers s of its intrinsic diversity. The model of its flux in band b is

    f_b(t) = A Σ_k w_bk(z) 10^{-0.4 c C(λ_k)} S(λ_k, (t - t0)/(1+z); s),

    S = softplus(MLP(s, phase)) on 300 bins of log λ, 1000-11000 Å in the rest frame,

with colour law C and band weights w (``bands``), and t0 / 20 d, c / 0.3 mag and s standard normal
beforehand. An encoder of dilated convolutions over days gives a normal posterior of them; A is
marginalised. Training minimises, for each object,

    Σ_i ½ w_i (f_i - f̂_i)² + KL(q || prior) + 10⁻³ Σ_i Σ_k ((S_k+1 - S_k)/(S_k+1 + S_k))²,

w = 1/(σ² + 0.01²) of fluxes scaled to the object's brightness. Known redshift: z is given
(``spectroscopic``). Not known: z = z_phot + σ_phot ζ with ζ latent and standard normal beforehand
(``photometric``), as the author's code has had it since 2022.

Deviations:
- the classifier is an MLP on the latent numbers, trained together with the autoencoder; the paper
  trains a boosted forest (LightGBM) on those of ten to a hundred augmented copies of each object,
  afterwards;
- dust laws are Fitzpatrick (1999), the paper's Fitzpatrick & Massa (2007); that of the Milky Way
  acts inside the bands, and is taken off at their pivot wavelengths for the encoder alone;
- the amplitude is not drawn, which changes no loss (``objective.misfit``), and the roughness is
  that of spectra before the colour law;
- days count from one of the brightest observations, where the paper looks for the commonest
  sidereal time, and several observations of a band and day make a weighted mean;
- observations outside of the 300 days are not used at all; the paper estimates a background from
  them for some surveys;
- ``width`` and ``stride`` make it smaller and faster (``encoder``); the paper's are 1 and 1.

Letters in shapes: ``B`` objects, ``T`` observations, ``Z`` latent numbers, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sntorch.classification.base import ClassifierNetwork, appended
from sntorch.classification.networks.parsnip.decoder import Decoder, Latents, amplitudes
from sntorch.classification.networks.parsnip.encoder import Encoder, Posterior
from sntorch.classification.networks.parsnip.grid import Gridded, Jitter, gridded
from sntorch.classification.networks.parsnip.objective import negative_elbo
from sntorch.classification.networks.parsnip.redshifts import RedshiftPrior, redshift_prior
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology

ENCODER = (40, 80, 120, 160, 200, 200, 200)
DECODER = (40, 80, 160)
TIME_SIGMA, COLOUR_SIGMA, BRIGHTNESS_SIGMA = 20.0, 0.3, 0.5
MODES = {"spectroscopic": ("redshift",), "photometric": ("redshift", "redshift_err")}
# Distances of the nearest objects say nothing; a redshift of zero has none.
NEAREST = 1e-3
# Typical absolute magnitude and its spread, so that features are of order one.
TYPICAL, SPREAD = -18.0, 2.0
LOG_VARIANCE_SPREAD = 4.0
LEAST_SIGNIFICANCE = 0.1


class Encoded(NamedTuple):
    """What is known of a batch after encoding.

    Attributes:
        observed: The light curves on the grid.
        prior: Of the redshift.
        mwebv: Milky-Way E(B-V), mag, shape (B,).
        posterior: Of the latent numbers.
    """

    observed: Gridded
    prior: RedshiftPrior
    mwebv: Tensor
    posterior: Posterior


class Parsnip(ClassifierNetwork):
    """Logits from the latent numbers of an autoencoder.

    Args:
        bands: Names of the bands, bandpasses that the package knows.
        n_classes: Number of classes C.
        n_context: Numbers of context.
        redshift: ``spectroscopic``: known; ``photometric``: a latent number with a prior.
        redshift_columns: Of the redshift (and its error), as in ``Context``; default:
            ``redshift`` and ``redshift_err``. PLAsTiCC's photometric redshifts are ``host_0`` and
            ``host_1`` with ``data.host=[hostgal_photoz, hostgal_photoz_err]``.
        n_shape: Numbers S of the intrinsic diversity.
        width: Factor of the encoder's channels.
        stride: Days between which the encoder's last blocks are evaluated: 1, 2, 4, …
        n_hidden: Hidden units of the classifier.
        milky_way: Whether fluxes are dimmed by the Milky Way (PLAsTiCC's are corrected).
        jitter: Whether the grid's zero and brightness are shaken while training, as in the paper.
        elbo_weight: Of the autoencoder's loss beside the cross-entropy.

    Raises:
        ConfigError: Another mode, or a number of columns that does not fit it.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        redshift: str = "spectroscopic",
        redshift_columns: Sequence[str] | None = None,
        n_shape: int = 3,
        width: float = 1.0,
        stride: int = 1,
        n_hidden: int = 64,
        milky_way: bool = True,
        jitter: bool = True,
        elbo_weight: float = 0.02,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        self.columns = _columns(redshift, redshift_columns)
        self.photometric = redshift == "photometric"
        self.milky_way = milky_way
        self.jitter = jitter
        self.elbo_weight = elbo_weight
        n_inputs = 2 * len(bands) + len(self.columns)
        n_latent = 2 + n_shape + self.photometric
        channels = [max(round(width * n), n_inputs) for n in ENCODER]
        self.encoder = Encoder(n_inputs, n_latent, channels, stride, TIME_SIGMA)
        self.decoder = Decoder(bands, n_shape, DECODER)
        # Means without the time's, which only the calendar knows; errors; the luminosity's two.
        n_features = (n_latent - 1) + n_latent + 2
        self.head = nn.Sequential(
            nn.Linear(n_features + n_context, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_classes),
        )
        self._encoded: tuple[LightCurveBatch, Encoded] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The redshift (and its error), and the Milky Way's dust."""
        return (*self.columns, "mwebv") if self.milky_way else self.columns

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        encoded = self.encode(batch)
        if self.training:
            # The loss of the autoencoder is of the same batch: encoding is most of the work.
            self._encoded = batch, encoded
        return self.head(appended(self.features(encoded), context))

    def auxiliary_loss(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """The autoencoder's loss, a mean over objects, times ``elbo_weight``."""
        kept, self._encoded = self._encoded, None
        encoded = kept[1] if kept is not None and kept[0] is batch else self.encode(batch)
        return self.elbo_weight * self.negative_elbo(encoded).mean()

    def encode(self, batch: LightCurveBatch) -> Encoded:
        """Posterior of the latent numbers.

        Raises:
            DataError: An object without a redshift, or beyond what the model covers.
        """
        prior = redshift_prior(batch, self.columns)
        mwebv = batch.mwebv.nan_to_num() if self.milky_way else torch.zeros_like(batch.mwebv)
        shaken = self._shaken(batch) if self.training and self.jitter else None
        observed = gridded(batch, mwebv, shaken)
        known = torch.stack(prior[: len(self.columns)], dim=1)
        everywhere = known[..., None].expand(-1, -1, observed.channels.shape[-1])
        posterior = self.encoder(torch.cat([observed.channels, everywhere], dim=1))
        return Encoded(observed, prior, mwebv.float(), posterior)

    def latents(self, encoded: Encoded, values: Tensor) -> Latents:
        """Latent numbers (B, Z) in units of their priors as the decoder reads them."""
        bounded = values.clamp(-10, 10)
        redshift = encoded.prior.mean
        if self.photometric:
            redshift = encoded.prior.at(bounded[:, -1])
            values = values[:, :-1]
        return Latents(
            TIME_SIGMA * bounded[:, 0], redshift, COLOUR_SIGMA * bounded[:, 1], values[:, 2:]
        )

    def negative_elbo(self, encoded: Encoded) -> Tensor:
        """The autoencoder's loss of each object, shape (B,), from one draw of the posterior."""
        latents = self.latents(encoded, encoded.posterior.sample())
        observed = encoded.observed
        decoded = self.decoder(latents, encoded.mwebv, observed.days, observed.band)
        return negative_elbo(observed, encoded.posterior, decoded)

    def features(self, encoded: Encoded) -> Tensor:
        """What the classifier reads, shape (B, features)."""
        observed, posterior = encoded.observed, encoded.posterior
        latents = self.latents(encoded, posterior.mean)
        decoded = self.decoder(latents, encoded.mwebv, observed.days, observed.band)
        amplitude, error = amplitudes(observed, decoded.flux)
        # A magnitude for all, also where the amplitude is not positive.
        bright = torch.maximum(amplitude, LEAST_SIGNIFICANCE * error)
        distance = Cosmology().distmod(latents.redshift.clamp(min=NEAREST))
        luminosity = 27.5 - 2.5 * (bright * observed.scale).log10() - distance
        numbers = [(luminosity - TYPICAL) / SPREAD, (error / bright).log10()]
        errors = posterior.log_variance / LOG_VARIANCE_SPREAD
        return torch.cat([posterior.mean[:, 1:], errors, torch.stack(numbers, dim=1)], dim=1)

    def reconstruct(self, encoded: Encoded, days: Tensor, band: Tensor) -> Tensor:
        """Light curves at the posterior's mean, in the unit of the batch's fluxes, shape (B, T).

        Args:
            encoded: The objects.
            days: Sidereal days of the grid, shape (B, T).
            band: Index of the band, shape (B, T).
        """
        latents = self.latents(encoded, encoded.posterior.mean)
        observed = encoded.observed
        fitted = self.decoder(latents, encoded.mwebv, observed.days, observed.band).flux
        amplitude = amplitudes(observed, fitted)[0] * observed.scale
        return amplitude[:, None] * self.decoder(latents, encoded.mwebv, days, band).flux

    def _shaken(self, batch: LightCurveBatch) -> Jitter:
        normal = torch.randn(2, len(batch), device=batch.device)
        return Jitter((TIME_SIGMA * normal[0]).round(), (BRIGHTNESS_SIGMA * normal[1]).exp())


def _columns(redshift: str, columns: Sequence[str] | None) -> tuple[str, ...]:
    if redshift not in MODES:
        raise ConfigError(f"parsnip: redshift={redshift!r}; accepted are {', '.join(MODES)}")
    chosen = MODES[redshift] if columns is None else tuple(columns)
    if len(chosen) != len(MODES[redshift]):
        raise ConfigError(
            f"parsnip: redshift_columns={list(chosen)}; redshift={redshift} has "
            f"{len(MODES[redshift])}, as {', '.join(MODES[redshift])}"
        )
    return chosen
