"""Posteriors by a network that was trained without masks, for objects unlike its training set.

SBI++ (Wang, Leja, Villar & Speagle 2023, ApJL 952, L10, arXiv:2304.05281): where bands are missing
or errors unusually large, the network is asked about many complete, ordinary measurements that the
object might have had, and the answers are averaged,

    p(θ | x) ≈ 1/K Σ_k q(θ | x̃_k).

Deviations: all objects and imputations at once; imputations by ``NeighbourImputation``, which
draws missing bands jointly, weighs training rows by the object's own errors, and does not add the
noise of a noisy band twice. The original's manner is ``original_imputation.py``, for comparison.
A network that is native to masks (``photometry.py``, ``degraded.py``) needs none of this.

Letters in shapes: ``B`` objects, ``K`` imputations, ``S`` draws, ``F`` bands, ``D`` parameters.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from sntorch.errors import ConfigError, SntorchWarning
from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.imputation import Imputation, Imputed
from sntorch.sbi.photometry import Photometry

# Reduced χ² from which an object is called unlike the training set, as in the original; variances
# widened more than this are those of a neighbourhood that tells little.
STRANGE, WIDE = 5.0, 1e4


class SBIPlusPlus:
    """An estimator of complete photometry, for incomplete and noisy photometry.

    Args:
        estimator: Trained on complete ``Photometry``; it stays as it is.
        imputation: Draws complete measurements.
        n_imputations: K.
        at_once: Draws that are made together; more need more memory.

    Raises:
        ConfigError: No imputation.
    """

    def __init__(
        self,
        estimator: PosteriorEstimator,
        imputation: Imputation,
        n_imputations: int = 50,
        at_once: int = 20_000,
    ) -> None:
        if n_imputations < 1 or at_once < 1:
            raise ConfigError(
                f"n_imputations={n_imputations}, at_once={at_once}: 1 or more is accepted"
            )
        self.estimator, self.imputation = estimator.eval(), imputation
        self.n_imputations, self.at_once = n_imputations, at_once

    def sample(self, x: Photometry, n: int, seed: int = 0) -> Tensor:
        """Draws from the posteriors of B objects, shape (B, n, D), float64.

        Warns of objects for which there is little to go by.
        """
        x.check()
        strange = ~x.mask.all(1) | self.imputation.errors.noisy(x).any(1)
        draws = torch.empty(len(x), n, self.estimator.prior.dim, dtype=torch.float64)
        usual, unusual = (~strange).nonzero()[:, 0], strange.nonzero()[:, 0]
        if len(usual):
            draws[usual] = torch.cat(self._in_parts(x.take(usual), n, seed))
        if len(unusual):
            imputed = self.impute(x.take(unusual), seed, unusual)
            _warn(imputed, unusual)
            draws[unusual] = self._averaged(imputed, n, seed)
        return draws

    def impute(self, x: Photometry, seed: int = 0, numbers: Tensor | None = None) -> Imputed:
        """K complete measurements of each object, and how well they are founded.

        Errors name an object by its number, shape (B,), or by its place.
        """
        generator = torch.Generator().manual_seed(seed)
        return self.imputation(x, self.n_imputations, generator, numbers)

    def _averaged(self, imputed: Imputed, n: int, seed: int) -> Tensor:
        """Equally many draws for every imputation, of shape (B, n, D) together."""
        magnitude, error = imputed.magnitude.flatten(0, 1), imputed.error.flatten(0, 1)
        whole = Photometry(magnitude, error, torch.ones_like(magnitude, dtype=torch.bool))
        each = -(-n // self.n_imputations)
        draws = torch.cat(self._in_parts(whole, each, seed)).reshape(
            -1, self.n_imputations, each, self.estimator.prior.dim
        )
        # One of each imputation after another, so that a cut takes no imputation away.
        return draws.transpose(1, 2).flatten(1, 2)[:, :n]

    def _in_parts(self, x: Photometry, n: int, seed: int) -> list[Tensor]:
        """The estimator's draws for complete photometry, (b, n, D) each."""
        groups = torch.arange(len(x)).split(max(self.at_once // n, 1))
        return [
            self.estimator.sample(x.take(index), n, seed + k) for k, index in enumerate(groups)
        ]


def _warn(imputed: Imputed, numbers: Tensor) -> None:
    for values, limit, what in (
        (imputed.misfit, STRANGE, "nothing like them in the training set: reduced χ²"),
        (imputed.widening, WIDE, "too few training rows near them: variances widened by"),
    ):
        bad = (~(values <= limit)).nonzero()[:, 0]
        if len(bad):
            worst = bad[values[bad].argmax()]
            warnings.warn(
                f"{len(bad)} objects have {what} up to {float(values[worst]):.3g} (object "
                f"{int(numbers[worst])}; {limit:g} is accepted)",
                SntorchWarning,
                stacklevel=3,
            )
