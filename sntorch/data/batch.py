"""A padded batch of light curves: the tokens view of the shared language.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``F`` bands, ``H`` host columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from sntorch.data.filters import canonical
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve, LightCurves
from sntorch.errors import DataError

if TYPE_CHECKING:
    from astropy.table import Table

    from sntorch.data.rows import LightCurveRows

TOKEN_FIELDS = ("time", "flux", "flux_err", "band", "mask", "upper_limit")


@dataclass
class LightCurveBatch:
    """Light curves as padded tensors, observations sorted by time, then band.

    Attributes:
        time: Observation times, shape (B, T), MJD, float64; 0 where padded.
        flux: Observed flux, shape (B, T), zero point ``zeropoint``; 0 where padded.
        flux_err: One standard deviation, shape (B, T), same units; 1 where padded.
        band: Index into ``bands``, shape (B, T), int64; 0 where padded.
        mask: True where there is an observation, shape (B, T).
        upper_limit: True where the value is a limit, shape (B, T).
        redshift, redshift_err, mwebv: shape (B,), NaN where unknown.
        t_ref: Reference time, shape (B,), MJD: the header's peak where there is one, else the
            first detection with S/N > 5; phases are derived from it.
        label: Index into ``classes``, shape (B,), -1 where unknown.
        host: Host-galaxy columns, shape (B, H); H may be 0.
        object_id: Names, length B.
        bands: Names of the F bands.
        classes: Names of the classes.
        zeropoint: Magnitude of a source with flux 1.
        noiseless: Whether the fluxes are true ones, without the noise that ``flux_err`` tells of;
            simulations and some generators know them.
    """

    time: Tensor
    flux: Tensor
    flux_err: Tensor
    band: Tensor
    mask: Tensor
    upper_limit: Tensor
    redshift: Tensor
    redshift_err: Tensor
    mwebv: Tensor
    t_ref: Tensor
    label: Tensor
    host: Tensor
    object_id: list[str]
    bands: tuple[str, ...]
    classes: tuple[str, ...] = ()
    zeropoint: float = FLUXCAL_ZEROPOINT
    noiseless: bool = False

    @classmethod
    def from_light_curves(
        cls,
        light_curves: Sequence[LightCurve],
        bands: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        host: Sequence[str] = (),
        zeropoint: float = FLUXCAL_ZEROPOINT,
    ) -> LightCurveBatch:
        """Pad light curves into one batch.

        Args:
            light_curves: The objects.
            bands: Bands to keep, in the order of the batch's indices, aliases accepted; default:
                all that occur, sorted. The batch has the canonical names.
            classes: Names that ``label`` counts; default: all types that occur, sorted.
            host: Keys of ``LightCurve.meta`` to put into ``host``; NaN where an object lacks one.
            zeropoint: Fluxes are brought to this zero point.

        Raises:
            DataError: No objects, an object whose type is not among ``classes``, or observations
                in none of ``bands``.
        """
        if not light_curves:
            raise DataError("no light curves: a batch needs at least one object")
        names = _band_names(light_curves, bands)
        kinds = (
            tuple(classes)
            if classes is not None
            else tuple(sorted({lc.type for lc in light_curves} - {""}))
        )
        flat = _flatten(light_curves, names, zeropoint)
        if bands is not None and not len(flat["row"]):
            _refuse_absent_bands(light_curves, bands)
        lengths = np.bincount(flat["row"], minlength=len(light_curves))
        padded: dict[str, Any] = _pad(flat, lengths, len(light_curves))
        return cls(
            **padded,
            redshift=_column(light_curves, "redshift"),
            redshift_err=_column(light_curves, "redshift_err"),
            mwebv=_column(light_curves, "mwebv"),
            t_ref=_column(light_curves, "reference_time"),
            label=torch.tensor([_label(lc, kinds) for lc in light_curves], dtype=torch.int64),
            host=torch.tensor(
                [[float(lc.meta.get(key, np.nan)) for key in host] for lc in light_curves],
                dtype=torch.float64,
            ).reshape(len(light_curves), len(host)),
            object_id=[lc.object_id for lc in light_curves],
            bands=names,
            classes=kinds,
            zeropoint=zeropoint,
        )

    def __len__(self) -> int:
        return self.time.shape[0]

    def __getitem__(self, index: Any) -> Self:
        """The chosen objects as a batch; an integer gives a batch of one."""
        picked = torch.arange(len(self), device=self.time.device)[index].reshape(-1)
        chosen = {
            f.name: getattr(self, f.name)[picked] for f in fields(self) if _is_tensor(self, f.name)
        }
        return replace(self, **chosen, object_id=[self.object_id[i] for i in picked.tolist()])

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.time.device

    @property
    def n_observations(self) -> Tensor:
        """Number of observations of each object, shape (B,)."""
        return self.mask.sum(-1)

    @property
    def phase(self) -> Tensor:
        """Days since ``t_ref`` in the observer frame, shape (B, T); 0 where padded."""
        return torch.where(self.mask, self.time - self.t_ref[:, None], 0.0)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device; a dtype applies to the floating-point tensors."""
        device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"a batch can be cast to floating-point types only, not to {dtype}")

        def move(value: Tensor) -> Tensor:
            chosen = dtype if value.is_floating_point() else None
            return value.to(device=device, dtype=chosen, non_blocking=non_blocking)

        return self._each(move)

    def pin_memory(self) -> Self:
        """Pin the tensors for a faster copy to a CUDA device."""
        return self._each(Tensor.pin_memory)

    def trim(self) -> Self:
        """Drop the columns that no object uses."""
        longest = int(self.n_observations.max()) if len(self) else 0
        return replace(self, **{k: getattr(self, k)[:, :longest] for k in TOKEN_FIELDS})

    def where(self, keep: Tensor) -> Self:
        """The observations where ``keep`` (B, T) is true; objects stay, even if empty."""
        keep = keep & self.mask
        order = (~keep).to(torch.int8).argsort(dim=1, stable=True)
        columns = {k: getattr(self, k).gather(1, order) for k in TOKEN_FIELDS}
        columns["mask"] = keep.gather(1, order)
        for name in TOKEN_FIELDS:
            fill = torch.full_like(columns[name], 1 if name == "flux_err" else 0)
            columns[name] = torch.where(columns["mask"], columns[name], fill)
        return replace(self, **columns).trim()

    def to_rows(self) -> LightCurveRows:
        """The rows view (k-th observation of every band side by side), without loss."""
        from sntorch.data.rows import LightCurveRows

        return LightCurveRows.from_batch(self)

    def to_light_curves(self) -> LightCurves:
        """The objects one by one.

        A batch holds no survey and no ``meta``, so they have none, and their ``peak_mjd`` is
        ``t_ref``, whether or not the header had a peak.
        """
        host = self.to("cpu")
        return LightCurves(host._light_curve(i) for i in range(len(host)))

    def to_tables(self) -> list[Table]:
        """One astropy table an object, in sncosmo's columns and metadata."""
        from sntorch.data.io.sncosmo import to_table

        return [to_table(lc) for lc in self.to_light_curves()]

    def _light_curve(self, i: int) -> LightCurve:
        keep = self.mask[i]
        label = int(self.label[i])
        return LightCurve(
            object_id=self.object_id[i],
            time=self.time[i][keep].double().numpy(),
            flux=self.flux[i][keep].double().numpy(),
            flux_err=self.flux_err[i][keep].double().numpy(),
            band_index=self.band[i][keep].numpy(),
            bands=self.bands,
            zeropoint=self.zeropoint,
            upper_limit=self.upper_limit[i][keep].numpy(),
            redshift=float(self.redshift[i]),
            redshift_err=float(self.redshift_err[i]),
            mwebv=float(self.mwebv[i]),
            peak_mjd=float(self.t_ref[i]),
            type=self.classes[label] if label >= 0 else "",
        )

    def _each(self, change: Any) -> Self:
        tensors = {
            f.name: change(getattr(self, f.name)) for f in fields(self) if _is_tensor(self, f.name)
        }
        return replace(self, **tensors)


def concatenate(batches: Sequence[LightCurveBatch]) -> LightCurveBatch:
    """One batch of all objects; the batches must agree in bands, classes and zero point.

    Raises:
        DataError: No batches, or batches that differ in bands, classes or zero point.
    """
    if not batches:
        raise DataError("no batches to join")
    first = batches[0]
    for other in batches[1:]:
        for key in ("bands", "classes", "zeropoint", "noiseless"):
            if getattr(other, key) != getattr(first, key):
                raise DataError(
                    f"batches differ in {key}: {getattr(first, key)} and {getattr(other, key)}"
                )
    width = max(b.time.shape[1] for b in batches)
    joined: dict[str, Any] = {}
    for f in fields(first):
        if not _is_tensor(first, f.name):
            continue
        parts = [getattr(b, f.name) for b in batches]
        if f.name in TOKEN_FIELDS:
            fill = 1.0 if f.name == "flux_err" else 0
            parts = [
                torch.nn.functional.pad(p, (0, width - p.shape[1]), value=fill) for p in parts
            ]
        joined[f.name] = torch.cat(parts)
    return replace(first, **joined, object_id=[name for b in batches for name in b.object_id])


def _is_tensor(batch: LightCurveBatch, name: str) -> bool:
    return isinstance(getattr(batch, name), Tensor)


def _column(light_curves: Sequence[LightCurve], name: str) -> Tensor:
    return torch.tensor([float(getattr(lc, name)) for lc in light_curves], dtype=torch.float64)


def _band_names(
    light_curves: Sequence[LightCurve], asked: Sequence[str] | None
) -> tuple[str, ...]:
    """Canonical names of the bands to keep: those asked for, or all that occur, sorted."""
    if asked is None:
        return tuple(sorted(set(canonical(LightCurves(light_curves).bands).values())))
    names = canonical(asked)
    return tuple(dict.fromkeys(names[band] for band in asked))


def _refuse_absent_bands(light_curves: Sequence[LightCurve], asked: Sequence[str]) -> None:
    """A misspelt band would give an empty batch; objects without any observation may be empty."""
    occurring = LightCurves(light_curves).bands
    if occurring:
        raise DataError(
            f"no observation in band {', '.join(asked)}; the light curves have "
            f"{', '.join(occurring)}"
        )


def _label(light_curve: LightCurve, classes: tuple[str, ...]) -> int:
    if not light_curve.type:
        return -1
    if light_curve.type not in classes:
        raise DataError(
            f"{light_curve.source or light_curve.object_id}: type {light_curve.type!r} is not "
            f"among the classes {', '.join(classes)}; name it as well, or leave objects of others "
            "out with data.transform: sntorch.data.classes.GroupClasses, unknown=drop"
        )
    return classes.index(light_curve.type)


def _flatten(
    light_curves: Sequence[LightCurve], bands: tuple[str, ...], zeropoint: float
) -> dict[str, np.ndarray]:
    """All observations in ``bands`` one after another, sorted by object, time and band."""
    position = {name: i for i, name in enumerate(bands)}
    canonical_names = canonical(b for lc in light_curves for b in lc.bands)
    lookup = [
        np.array([position.get(canonical_names[b], -1) for b in lc.bands], dtype=np.int64)
        for lc in light_curves
    ]
    lengths = np.array([len(lc) for lc in light_curves])
    scale = np.repeat([10 ** (0.4 * (zeropoint - lc.zeropoint)) for lc in light_curves], lengths)
    flat = {
        "row": np.repeat(np.arange(len(light_curves)), lengths),
        "time": np.concatenate([lc.time for lc in light_curves]),
        "flux": np.concatenate([lc.flux for lc in light_curves]) * scale,
        "flux_err": np.concatenate([lc.flux_err for lc in light_curves]) * scale,
        "band": np.concatenate(
            [table[lc.band_index] for table, lc in zip(lookup, light_curves, strict=True)]
        ),
        "upper_limit": np.concatenate([np.asarray(lc.upper_limit) for lc in light_curves]),
    }
    kept = flat["band"] >= 0
    order = np.flatnonzero(kept)[
        np.lexsort((flat["band"][kept], flat["time"][kept], flat["row"][kept]))
    ]
    return {name: values[order] for name, values in flat.items()}


def _pad(flat: dict[str, np.ndarray], lengths: np.ndarray, n_objects: int) -> dict[str, Tensor]:
    width = int(lengths.max()) if len(lengths) else 0
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    column = np.arange(len(flat["row"])) - np.repeat(starts, lengths)
    padded: dict[str, Tensor] = {}
    for name in ("time", "flux", "flux_err", "band", "upper_limit"):
        fill = 1 if name == "flux_err" else 0
        values = np.full((n_objects, width), fill, dtype=flat[name].dtype)
        values[flat["row"], column] = flat[name]
        padded[name] = torch.from_numpy(values)
    padded["mask"] = torch.from_numpy(np.arange(width)[None] < lengths[:, None])
    return padded
