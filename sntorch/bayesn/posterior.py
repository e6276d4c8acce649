"""What a fit gives: posterior draws of single supernovae, and all that follows from them.

Letters in shapes: ``B`` supernovae, ``C`` chains, ``S`` draws of a chain, ``N`` variables of the
residual surface, ``F`` bands, ``T`` phases, ``L`` wavelengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sntorch.atomic import atomic_write
from sntorch.bayesn import fitres, netcdf, summaries
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.physics.sed import SEDModel, Value

if TYPE_CHECKING:
    from pandas import DataFrame

# Draws whose photometry is computed at once.
CHUNK = 1024
FRAMES = ("rest", "observer")
NEEDED = ("theta", "av", "rv", "tmax", "ds", "mu", "delta_m")
OPTIONAL = ("redshift", "epsilon")


def _no_failures() -> DataFrame:
    from pandas import DataFrame

    return DataFrame({"object_id": [], "reason": []}, dtype=str)


@dataclass(eq=False)
class Posterior:
    """Posterior draws of B supernovae under one SED model.

    Attributes:
        sed: The model that was fitted.
        batch: The observations that were used; ``t_ref`` is the time of peak, MJD, that ``tmax``
            counts from.
        draws: ``theta``; ``av`` and ``rv``, host dust (A_V in mag); ``tmax``, rest-frame days
            added to the time of peak; ``ds``, distance modulus and grey offset together, mag, and
            its parts ``mu`` and ``delta_m``; each of shape (B, C, S). Where they were free also
            ``redshift`` (B, C, S) and ``epsilon``, the residual surface's standard-normal
            variables, (B, C, S, N).
        statistics: One row a supernova: object_id, n_observations, n_dropped_bands,
            dropped_bands, n_divergent, tree_depth, acceptance, k_hat, reruns, sampler, flag (empty
            where all is well) and muhat (the prior mean of the distance modulus, mag).
        failures: object_id and reason of supernovae that were not fitted.
        epsilon_dropped: Whether ε was free but its draws were not kept; light curves and spectra
            are refused then.

    Raises:
        DataError: Draws that are missing or have other shapes.
    """

    sed: SEDModel
    batch: LightCurveBatch
    draws: dict[str, Tensor]
    statistics: DataFrame
    failures: DataFrame = field(default_factory=_no_failures)
    epsilon_dropped: bool = False

    def __post_init__(self) -> None:
        missing = [name for name in NEEDED if name not in self.draws]
        unknown = [name for name in self.draws if name not in (*NEEDED, *OPTIONAL)]
        if missing or unknown:
            raise DataError(
                f"draws of {', '.join(self.draws)}: missing {', '.join(missing) or 'none'}, "
                f"unknown {', '.join(unknown) or 'none'}"
            )
        shapes = {name: tuple(value.shape[:3]) for name, value in self.draws.items()}
        expected = (len(self.batch), *self.draws["ds"].shape[1:])
        if set(shapes.values()) != {expected} or len(self.statistics) != len(self.batch):
            raise DataError(
                f"{len(self.batch)} supernovae and {len(self.statistics)} rows of statistics, but "
                f"draws of shapes {shapes}; (B, C, S) is needed"
            )

    def __len__(self) -> int:
        return len(self.batch)

    def __repr__(self) -> str:
        chains, draws = self.draws["ds"].shape[1:]
        not_fitted = f", {len(self.failures)} not fitted" if len(self.failures) else ""
        return f"Posterior({len(self)} supernovae{not_fitted}, {chains} chains × {draws} draws)"

    def __getitem__(self, index: int | str | slice | Sequence[int] | Sequence[str]) -> Posterior:
        """The chosen supernovae, by place or name; failures are left out."""
        places = np.arange(len(self))
        if isinstance(index, int | np.integer | str):
            chosen = np.array([self.index(index)])
        elif isinstance(index, slice):
            chosen = places[index]
        else:
            chosen = np.array([self.index(i) for i in index], dtype=np.int64)
        picked = torch.from_numpy(chosen)
        return Posterior(
            self.sed,
            self.batch[picked.to(self.batch.device)],
            {name: value[picked.to(value.device)] for name, value in self.draws.items()},
            self.statistics.iloc[chosen].reset_index(drop=True),
            epsilon_dropped=self.epsilon_dropped,
        )

    def index(self, which: int | str) -> int:
        """Place of a supernova, from 0.

        Args:
            which: Its name, or its place (from the end where negative).

        Raises:
            DataError: No such supernova.
        """
        if not isinstance(which, str):
            if not -len(self) <= which < len(self):
                raise DataError(f"no supernova {which}: there are {len(self)}, counted from 0")
            return int(which) % len(self)
        if which in self.batch.object_id:
            return self.batch.object_id.index(which)
        reasons = dict(zip(self.failures["object_id"], self.failures["reason"], strict=True))
        if which in reasons:
            raise DataError(f"{which} was not fitted: {reasons[which]}")
        near = get_close_matches(which, self.batch.object_id, 3, 0.0) or ["none at all"]
        raise DataError(f"no supernova {which!r}; nearest are {', '.join(near)}")

    @property
    def redshift(self) -> Tensor:
        """Heliocentric redshift of each draw, shape (B, C, S)."""
        if "redshift" in self.draws:
            return self.draws["redshift"]
        tmax = self.draws["tmax"]
        return self.batch.redshift.to(tmax)[:, None, None].expand_as(tmax)

    @property
    def peak_mjd(self) -> Tensor:
        """Time of maximum of each draw, MJD, shape (B, C, S), double precision."""
        shift = self.draws["tmax"].double() * (1 + self.redshift.double())
        return self.batch.t_ref.to(shift)[:, None, None] + shift

    def summary(self) -> DataFrame:
        """One row a supernova: moments, quantiles, R-hat and effective sample sizes.

        For each of ``mu``, ``ds``, ``theta``, ``av``, ``rv``, ``tmax``, ``peak_mjd`` (and
        ``redshift`` where it was free) ``_mean``, ``_sd``, ``_q05``, ``_q16``, ``_q50``, ``_q84``,
        ``_q95``, ``_rhat``, ``_ess_bulk`` and ``_ess_tail``. ``rhat_max`` and ``ess_min`` are the
        worst of the parameters that were sampled (not of mu, which adds independent noise to ds).
        Supernovae that were not fitted follow, with ``flag`` "not_fitted: reason".
        """
        draws = {name: self.draws[name] for name in ("mu", "ds", "theta", "av", "rv", "tmax")}
        draws["peak_mjd"] = self.peak_mjd
        if "redshift" in self.draws:
            draws["redshift"] = self.draws["redshift"]
        given = {"redshift_helio": self.batch.redshift.double().cpu().numpy()}
        return summaries.table(draws, self.statistics.assign(**given), self.failures)

    def light_curves(
        self, phase: Value, bands: Sequence[str], n: int | None = None, frame: str = "rest"
    ) -> Tensor:
        """Model fluxes of posterior draws, FLUXCAL, shape (B, n, F, T).

        Args:
            phase: Days since the batch's ``t_ref``, shape (T,) or (B, T); each draw's ``tmax``
                is counted in.
            bands: F names.
            n: Number of draws, picked evenly over the chains; default: all.
            frame: Whether ``phase`` counts in the ``rest`` or the ``observer`` frame.

        Returns:
            Zero before the template's first day, NaN after its last.

        Raises:
            ConfigError: More draws than there are, another frame, or ε was not kept.
        """
        return self._photometry(self.sed.flux, phase, bands, n, frame)

    def magnitudes(
        self, phase: Value, bands: Sequence[str], n: int | None = None, frame: str = "rest"
    ) -> Tensor:
        """Model magnitudes of posterior draws, shape (B, n, F, T); see ``light_curves``."""
        return self._photometry(self.sed.magnitude, phase, bands, n, frame)

    def spectra(self, phase: Value, wave: Value, n: int | None = None) -> Tensor:
        """Rest-frame spectra f_λ of posterior draws, template's units, shape (B, n, T, L).

        Args:
            phase: Rest-frame days since the batch's ``t_ref``, shape (T,) or (B, T).
            wave: Rest-frame wavelength, Å, shape (L,).
            n: Number of draws, picked evenly over the chains; default: all.
        """
        phases = self._axis(phase)

        def evaluate(row: Tensor, draws: dict[str, Tensor]) -> Tensor:
            shifted = phases[row] - draws.pop("tmax")[:, None]
            draws = {k: v for k, v in draws.items() if k in ("theta", "av", "rv", "epsilon")}
            return self.sed.spectrum(shifted, wave, **draws)

        return self._each_draw(evaluate, n)

    def to_arviz(self) -> Any:
        """ArviZ's ``InferenceData`` (0.x) or ``DataTree`` (1.x): posterior, data and statistics.

        Raises:
            ConfigError: ArviZ is not installed.
        """
        return netcdf.to_arviz(netcdf.groups(self))

    def write(
        self,
        folder: str | Path,
        prefix: str = "sntorch",
        meta: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """``summary.csv``, ``PREFIX.FITRES.TEXT`` and ``posterior.nc``, none half-written.

        Args:
            folder: Where to; it is made where missing.
            prefix: Name of the FITRES table.
            meta: Header words of each supernova (``LightCurve.meta``) for the FITRES table.

        Raises:
            ConfigError: xarray, h5netcdf or h5py is not installed; the tables are written first.
        """
        folder = Path(folder)
        summary = self.summary()
        with atomic_write(folder / "summary.csv") as path:
            summary.to_csv(path, index=False)
        table = fitres.fitres_table(summary.head(len(self)), self.batch, meta)
        fitres.write(table, folder / f"{prefix}.FITRES.TEXT", self.failures)
        netcdf.save(netcdf.groups(self), folder / netcdf.FILE)

    @classmethod
    def load(cls, folder: str | Path) -> Posterior:
        """What ``write`` wrote, on the CPU; ε is in single precision.

        Args:
            folder: The folder, or its ``posterior.nc``.

        Raises:
            DataError: No such file, or one that is not ours.
        """
        return cls(**netcdf.load(folder))

    def _photometry(
        self,
        model: Callable[..., Tensor],
        phase: Value,
        bands: Sequence[str],
        n: int | None,
        frame: str,
    ) -> Tensor:
        if frame not in FRAMES:
            raise ConfigError(f"frame={frame!r}: accepted are {', '.join(FRAMES)}")
        phases = self._axis(phase)
        mwebv = self.batch.mwebv.to(phases)

        def evaluate(row: Tensor, draws: dict[str, Tensor]) -> Tensor:
            stretch = 1 + draws["redshift"][:, None] if frame == "observer" else 1.0
            distmod = draws.pop("ds")
            return model(phases[row] / stretch, bands, distmod=distmod, mwebv=mwebv[row], **draws)

        return self._each_draw(evaluate, n)

    @torch.no_grad()
    def _each_draw(
        self, evaluate: Callable[[Tensor, dict[str, Tensor]], Tensor], n: int | None
    ) -> Tensor:
        """A function of draws, a chunk of them at a time, shape (B, n, ...)."""
        if self.epsilon_dropped:
            raise ConfigError("the draws of ε were not kept in this fit; light curves need them")
        draws, n = self._thinned(n)
        every = torch.arange(len(self) * n, device=self.sed.w0.device)
        parts = []
        for piece in every.split(CHUNK):
            row, column = piece // n, piece % n
            picked = {
                k: v[row.to(v.device), column.to(v.device)].to(self.sed.w0)
                for k, v in draws.items()
            }
            if "epsilon" in picked:
                picked["epsilon"] = self.sed.epsilon_surface(picked["epsilon"])
            parts.append(evaluate(row, picked))
        return torch.cat(parts).unflatten(0, (len(self), n))

    def _thinned(self, n: int | None) -> tuple[dict[str, Tensor], int]:
        """Draws that the SED model needs, shape (B, n, ...), and n."""
        names = ("ds", "theta", "av", "rv", "tmax", "epsilon")
        draws = {name: self.draws[name] for name in names if name in self.draws}
        draws = {k: v.flatten(1, 2) for k, v in {**draws, "redshift": self.redshift}.items()}
        there = draws["ds"].shape[1]
        n = there if n is None else n
        if not 1 <= n <= there:
            raise ConfigError(f"n={n} draws: 1 to {there} are there")
        picks = ((torch.arange(n) + 0.5) * there / n).long()
        return {k: v[:, picks.to(v.device)] for k, v in draws.items()}, n

    def _axis(self, phase: Value) -> Tensor:
        """Phases of every supernova, shape (B, T)."""
        phases = torch.as_tensor(phase, dtype=self.sed.w0.dtype, device=self.sed.w0.device)
        return torch.atleast_1d(phases).expand(len(self), -1)
