"""One supernova's photometry, and a sequence of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sntorch.errors import DataError

if TYPE_CHECKING:
    from sntorch.data.batch import LightCurveBatch

FLUXCAL_ZEROPOINT = 27.5
NAN = float("nan")


@dataclass(eq=False)
class LightCurve:
    """Photometry of one object in any number of bands, with what its header says.

    Attributes:
        object_id: Name of the object.
        time: Observation times, shape (T,), MJD (observer frame).
        flux: Observed flux, shape (T,), in units where ``zeropoint`` is magnitude zero (FLUXCAL:
            27.5).
        flux_err: One standard deviation of the flux, shape (T,), same units.
        band_index: Index of each observation's band into ``bands``, shape (T,).
        bands: Names of the bands (sncosmo's: ``ps1::g``, ``lsstr``, ``desi``).
        zeropoint: Magnitude of a source with flux 1.
        upper_limit: True where the file gave a limit, not a detection, shape (T,); ``flux`` is
            then the limit's flux.
        redshift: Heliocentric redshift, NaN where unknown.
        redshift_err: Its standard deviation, NaN where unknown.
        mwebv: Milky-Way E(B-V), mag, SF11 scale, NaN where unknown.
        peak_mjd: Time of peak as the header gives it, MJD, NaN where unknown.
        type: Node of the class taxonomy (``Ia``, ``IIn``, ...), empty where unknown.
        survey: Name of the survey, empty where unknown.
        meta: Everything else that the file's header said, keyed as there.
        source: File and object that it was read from, for messages.
    """

    object_id: str
    time: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    band_index: NDArray[np.int64]
    bands: tuple[str, ...]
    zeropoint: float = FLUXCAL_ZEROPOINT
    upper_limit: NDArray[np.bool_] | None = None
    redshift: float = NAN
    redshift_err: float = NAN
    mwebv: float = NAN
    peak_mjd: float = NAN
    type: str = ""
    survey: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        self.object_id = str(self.object_id)
        self.time = np.asarray(self.time, dtype=np.float64)
        self.flux = np.asarray(self.flux, dtype=np.float64)
        self.flux_err = np.asarray(self.flux_err, dtype=np.float64)
        self.band_index = np.asarray(self.band_index, dtype=np.int64)
        self.bands = tuple(self.bands)
        if self.upper_limit is None:
            self.upper_limit = np.zeros(self.time.shape, dtype=bool)
        self.upper_limit = np.asarray(self.upper_limit, dtype=bool)
        columns = (self.flux, self.flux_err, self.band_index, self.upper_limit)
        if self.time.ndim != 1 or any(c.shape != self.time.shape for c in columns):
            shapes = [self.time.shape, *(c.shape for c in columns)]
            raise DataError(
                f"{self.object_id}: time, flux, flux_err, band and upper_limit must be "
                f"one-dimensional and of one length; found shapes {shapes}"
            )

    @classmethod
    def from_arrays(
        cls,
        object_id: str,
        time: ArrayLike,
        flux: ArrayLike,
        flux_err: ArrayLike,
        band: Sequence[str] | NDArray[np.str_],
        **header: Any,
    ) -> LightCurve:
        """A light curve from columns; ``band`` holds one name an observation."""
        names, index = np.unique(np.asarray(band, dtype=str), return_inverse=True)
        return cls(
            object_id,
            np.asarray(time, dtype=np.float64),
            np.asarray(flux, dtype=np.float64),
            np.asarray(flux_err, dtype=np.float64),
            index.reshape(-1).astype(np.int64),
            tuple(str(n) for n in names),
            **header,
        )

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        kind = self.type or "unknown type"
        bands = ",".join(self.bands)
        return f"LightCurve({self.object_id!r}, {len(self)} observations in {bands}, {kind})"

    def __eq__(self, other: object) -> bool:
        """Equal header and observations; NaN equals NaN, the order of ``bands`` is free."""
        if not isinstance(other, LightCurve):
            return NotImplemented
        header = ("object_id", "type", "survey", "zeropoint")
        numbers = ("redshift", "redshift_err", "mwebv", "peak_mjd")
        columns = ("time", "flux", "flux_err", "upper_limit", "band")
        return (
            all(getattr(self, k) == getattr(other, k) for k in header)
            and all(np.array_equal(getattr(self, k), getattr(other, k), True) for k in numbers)
            and all(_same(getattr(self, k), getattr(other, k)) for k in columns)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @property
    def band(self) -> NDArray[np.str_]:
        """Band name of each observation, shape (T,)."""
        return np.asarray(self.bands, dtype=str)[self.band_index]

    @property
    def snr(self) -> NDArray[np.float64]:
        """Signal-to-noise ratio of each observation, shape (T,)."""
        return self.flux / self.flux_err

    @property
    def reference_time(self) -> float:
        """Header peak MJD, else first detection with S/N > 5, else first observation, else NaN."""
        if np.isfinite(self.peak_mjd):
            return float(self.peak_mjd)
        if not len(self):
            return NAN
        detected = self.time[(self.snr > 5) & ~self.upper_limit]  # pyright: ignore[reportOptionalOperand]
        return float(detected.min() if detected.size else self.time.min())

    def keep(self, mask: NDArray[np.bool_]) -> LightCurve:
        """The same object with only the observations where ``mask`` (T,) is true."""
        return replace(
            self,
            time=self.time[mask],
            flux=self.flux[mask],
            flux_err=self.flux_err[mask],
            band_index=self.band_index[mask],
            upper_limit=None if self.upper_limit is None else self.upper_limit[mask],
        )

    def sorted(self) -> LightCurve:
        """The same observations ordered by time, then band name, then as they were."""
        rank = np.argsort(np.argsort(np.asarray(self.bands, dtype=str)))
        return self.keep(np.lexsort((rank[self.band_index], self.time)))  # pyright: ignore[reportArgumentType]

    def with_zeropoint(self, zeropoint: float) -> LightCurve:
        """The same photometry in the units of another zero point."""
        scale = 10 ** (0.4 * (zeropoint - self.zeropoint))
        return replace(
            self, flux=self.flux * scale, flux_err=self.flux_err * scale, zeropoint=zeropoint
        )


class LightCurves(Sequence[LightCurve]):
    """A sequence of light curves: what ``sntorch.read`` returns.

    Args:
        light_curves: The objects, in order.
        skipped: One line for each object that a reader left out, with the reason.
    """

    def __init__(self, light_curves: Iterable[LightCurve], skipped: Iterable[str] = ()) -> None:
        self._items = list(light_curves)
        self.skipped = list(skipped)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> LightCurve: ...
    @overload
    def __getitem__(self, index: slice) -> LightCurves: ...
    def __getitem__(self, index: int | slice) -> LightCurve | LightCurves:
        picked = self._items[index]
        return LightCurves(picked) if isinstance(picked, list) else picked

    def __iter__(self) -> Iterator[LightCurve]:
        return iter(self._items)

    def __repr__(self) -> str:
        bands = ",".join(self.bands)
        return f"LightCurves({len(self)} objects, {self.n_observations} observations in {bands})"

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands with at least one observation, sorted."""
        used = {lc.bands[i] for lc in self._items for i in np.unique(lc.band_index)}
        return tuple(sorted(used))

    @property
    def n_observations(self) -> int:
        """Number of observations of all objects together."""
        return sum(len(lc) for lc in self._items)

    def filter(self, condition: Callable[[LightCurve], bool]) -> LightCurves:
        """The objects for which ``condition`` is true."""
        return LightCurves(lc for lc in self._items if condition(lc))

    def map(self, transform: Callable[[LightCurve], LightCurve]) -> LightCurves:
        """Every object after ``transform``."""
        return LightCurves((transform(lc) for lc in self._items), self.skipped)

    def to_batch(
        self,
        bands: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        host: Sequence[str] = (),
    ) -> LightCurveBatch:
        """All objects as one padded batch; see ``LightCurveBatch.from_light_curves``."""
        from sntorch.data.batch import LightCurveBatch

        return LightCurveBatch.from_light_curves(
            self._items, bands=bands, classes=classes, host=host
        )

    def write(self, path: str | Path, format: str | None = None) -> None:
        """Write all objects; the format is guessed from the name unless it is given."""
        from sntorch.data.io import write

        write(self._items, path, format=format)


def _same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
