"""What boosted trees know of a light curve, for a network to know it, too.

ATAT (Cabrera-Vives et al. 2024, arXiv:2405.03078) reads features that were computed of the light
curve beside the light curve itself. Here these are the Bazin fits and summaries of
``ParametricFeatures``, by their ranks among training objects (see ``nn.ranks``), with flags of
what an object has. They are of the light curve as it is given: of a curve that is cut early,
nothing that was known later.

Fits take time, so the features of a light curve are kept, and so is what was learnt of a set of
training objects: the members of a deep ensemble share both.

Letters in shapes: ``B`` objects, ``P`` features, ``n`` pieces of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sntorch.classification.augmentation import Augmentation, RandomTruncation
from sntorch.classification.base import ClassifierNetwork
from sntorch.classification.map_cache import MapCache
from sntorch.classification.parametric_features import MODEL_ERROR, ParametricFeatures
from sntorch.classification.redshift_shift import RedshiftShift
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.features.bazin import N_SHAPES
from sntorch.features.bazin_fit import BazinPopulation
from sntorch.nn.ranks import RankScaler
from sntorch.pretrained import training_sha256

# Light curves of which features are kept, about 1 kB each, and sets of training objects.
KEPT, SETS = 1 << 15, 16
_TABLE = MapCache(KEPT)
_POPULATIONS: OrderedDict[tuple[str, int], BazinPopulation] = OrderedDict()


class FeatureContext(nn.Module):
    """Parametric features as numbers of order one: normal scores, flags, and pieces.

    Args:
        redshift: Which redshift features may use: ``none``, ``photo-z`` (the first column of
            ``data.host``, with its error in the second) or ``spec-z``, see
            ``ParametricFeatures``.
        n_pieces: Pieces that each feature is cut into, for a perceptron to learn thresholds of.
        derived: Whether colours and rest-frame numbers stand beside the fits.
        seed: Of the choice of objects that the shapes' distribution is learnt from.

    Raises:
        ConfigError: Another use of redshift, or a negative number of pieces.
    """

    mean: Tensor
    cov: Tensor
    scaler: RankScaler

    def __init__(
        self, redshift: str = "none", n_pieces: int = 8, derived: bool = True, seed: int = 0
    ) -> None:
        super().__init__()
        if n_pieces < 0:
            raise ConfigError(f"n_pieces={n_pieces}: 0 or more are accepted")
        self.n_pieces = n_pieces
        self.features = ParametricFeatures(redshift, seed, derived)
        self.names: tuple[str, ...] = ()

    @property
    def n_outputs(self) -> int:
        """Numbers of an object."""
        return self.scaler.n_outputs if self.names else 0

    def build(self, bands: Sequence[str], names: Sequence[str]) -> None:
        """Make room for what is fitted to training objects in these bands, with these features."""
        size = N_SHAPES * len(bands)
        self.features.bands, self.names = tuple(bands), tuple(names)
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("cov", torch.eye(size, dtype=torch.float64))
        self.scaler = RankScaler(len(self.names), self.n_pieces)

    def fit(self, batch: LightCurveBatch) -> None:
        """Learn the distribution of shapes, then the ranks of the features, of training objects.

        Raises:
            DataError: No observations, or a photo-z that the light curves do not have.
        """
        population = self._learnt(batch)
        self.build(batch.bands, list(self.features(batch[:1])))
        self.mean.copy_(population.mean)
        self.cov.copy_(population.cov)
        self.scaler.fit(self.values(batch))

    def forward(self, batch: LightCurveBatch) -> Tensor:
        """Normal scores, flags of what is known, and pieces, shape (B, P (n + 2))."""
        return self.scaler(self.values(batch).to(self.mean.device))

    def values(self, batch: LightCurveBatch) -> Tensor:
        """The features, shape (B, P), float64, NaN where an object does not have one.

        Raises:
            DataError: Light curves in other bands, or without the redshift that is used.
        """
        mean, cov = self.mean.cpu().double(), self.cov.cpu().double()
        self.features.population = BazinPopulation(mean, cov, MODEL_ERROR)
        salt = repr((self.features.redshift, self.names)).encode() + mean.numpy().tobytes()
        beside = self.features.redshifts(batch)
        return _TABLE.get(batch, self._computed, salt, beside)

    def extra_repr(self) -> str:
        """Show the number of features."""
        return f"{len(self.names)} features, redshift={self.features.redshift}"

    def _learnt(self, batch: LightCurveBatch) -> BazinPopulation:
        key = (training_sha256(batch), self.features.seed)
        if key not in _POPULATIONS:
            self.features.fit(batch)
            assert self.features.population is not None
            _POPULATIONS[key] = self.features.population
        while len(_POPULATIONS) > SETS:
            _POPULATIONS.popitem(last=False)
        self.features.bands, self.features.population = batch.bands, _POPULATIONS[key]
        return _POPULATIONS[key]

    def _computed(self, batch: LightCurveBatch) -> Tensor:
        table = self.features(batch)
        unknown = np.full(len(batch), np.nan)
        columns = [table.get(name, unknown) for name in self.names]
        return torch.from_numpy(np.stack(columns, axis=1))


def refuse_early(network: type[ClassifierNetwork], augment: Sequence[Augmentation]) -> None:
    """Features of whole light curves would tell of the future what sees a part of them, and of
    the old redshift what is moved to another.

    Raises:
        ConfigError: A network that answers at every step, or training on cut or moved curves.
    """
    if network.per_step:
        raise ConfigError(
            f"features are of the whole light curve, which {network.__name__} must not know at "
            "its early steps; take a network of whole light curves, or features=null"
        )
    if any(isinstance(change, RandomTruncation) for change in augment):
        raise ConfigError(
            "features are of the whole light curve, and RandomTruncation trains on its beginning: "
            "leave it out of model.augment, or set features=null"
        )
    if any(isinstance(change, RedshiftShift) for change in augment):
        raise ConfigError(
            "features are of the light curve as observed, and RedshiftShift moves it: leave it "
            "out of model.augment, or set features=null"
        )
