"""What a simulation gives: measured light curves with the truth behind every one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.simulation.selection import CutFlow


@dataclass(frozen=True, eq=False)
class Injections:
    """Candidates of a simulation, those that its selection kept and those that it did not.

    Attributes:
        label: Class of each, shape (M,).
        truth: True parameters, M objects first.
        kept: Whether each was kept, shape (M,), bool.
    """

    label: Tensor
    truth: dict[str, Tensor]
    kept: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: Tensor | slice) -> Injections:
        """The chosen candidates."""
        truth = {name: values[index] for name, values in self.truth.items()}
        return Injections(self.label[index], truth, self.kept[index])


@dataclass
class SimulatedSample:
    """Simulated light curves and what they were made from.

    Attributes:
        batch: The observations, B objects.
        truth: True parameters, B objects first: ``redshift``, ``distmod``, ``mwebv``,
            ``peak_mjd``, ``candidate`` (number of the object before selection), and those of the
            sources; NaN where an object's class has no such parameter.
        true_flux: Flux without noise, shape (B, T), FLUXCAL; 0 where padded.
        cut_flow: How many were left after each cut.
        survey: Name of the survey.
        injections: The first candidates, up to some 20,000; None before any selection.
    """

    batch: LightCurveBatch
    truth: dict[str, Tensor]
    true_flux: Tensor
    cut_flow: CutFlow
    survey: str
    injections: Injections | None = None

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, index: Tensor | slice) -> SimulatedSample:
        """The chosen objects, with cut flow and injections of the whole sample."""
        truth = {name: values[index] for name, values in self.truth.items()}
        return replace(self, batch=self.batch[index], truth=truth, true_flux=self.true_flux[index])

    @property
    def expected(self) -> LightCurveBatch:
        """The observations without noise in the fluxes: what ``Cut.log_prob`` asks for."""
        flux = self.true_flux.to(self.batch.flux)
        return replace(self.batch, flux=flux, noiseless=True)

    def to_light_curves(self) -> LightCurves:
        """The objects one by one, with the scalar truth in ``meta`` under TRUTH_…."""
        scalar = {f"TRUTH_{k.upper()}": v.tolist() for k, v in self.truth.items() if v.ndim == 1}

        def complete(i: int, light_curve: LightCurve) -> LightCurve:
            meta = {k: v[i] for k, v in scalar.items() if v[i] == v[i]}
            return replace(light_curve, survey=self.survey, meta=meta)

        return LightCurves(complete(i, lc) for i, lc in enumerate(self.batch.to_light_curves()))

    def write_truth(self, path: str | Path, flux: bool = False) -> None:
        """Write the truth of all objects as Parquet, one row an object; arrays as list columns.

        Args:
            path: The file.
            flux: Whether to add the noiseless fluxes, in the order of the light curves'
                observations.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, list] = {
            "object_id": self.batch.object_id,
            "type": [self.batch.classes[i] for i in self.batch.label.tolist()],
        }
        columns |= {
            name: values.flatten(1).tolist() if values.ndim > 1 else values.tolist()
            for name, values in self.truth.items()
        }
        if flux:
            pairs = zip(self.true_flux, self.batch.mask, strict=True)
            columns["true_flux"] = [values[mask].tolist() for values, mask in pairs]
        pq.write_table(pa.table(columns), path)


def join(
    samples: Sequence[SimulatedSample], cut_flow: CutFlow, injections: Sequence[Injections]
) -> SimulatedSample:
    """One sample of all objects, padded to the longest, and of all injections."""
    batch = concatenate([s.batch for s in samples]).trim()
    width = max(s.true_flux.shape[1] for s in samples)
    flux = [
        torch.nn.functional.pad(s.true_flux, (0, width - s.true_flux.shape[1])) for s in samples
    ]
    true_flux = torch.cat(flux)[:, : batch.time.shape[1]]
    truth, survey = _stacked([s.truth for s in samples]), samples[0].survey
    every = Injections(
        torch.cat([i.label for i in injections]),
        _stacked([i.truth for i in injections]),
        torch.cat([i.kept for i in injections]),
    )
    return SimulatedSample(batch, truth, true_flux, cut_flow, survey, every)


def _stacked(truths: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([truth[name] for truth in truths]) for name in truths[0]}
