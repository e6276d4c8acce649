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
    """

    batch: LightCurveBatch
    truth: dict[str, Tensor]
    true_flux: Tensor
    cut_flow: CutFlow
    survey: str

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, index: Tensor | slice) -> SimulatedSample:
        """The chosen objects, with the cut flow of the whole sample."""
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


def join(samples: Sequence[SimulatedSample], cut_flow: CutFlow) -> SimulatedSample:
    """One sample of all objects, padded to the longest."""
    batch = concatenate([s.batch for s in samples]).trim()
    width = max(s.true_flux.shape[1] for s in samples)
    flux = [
        torch.nn.functional.pad(s.true_flux, (0, width - s.true_flux.shape[1])) for s in samples
    ]
    truth = {name: torch.cat([s.truth[name] for s in samples]) for name in samples[0].truth}
    true_flux = torch.cat(flux)[:, : batch.time.shape[1]]
    return SimulatedSample(batch, truth, true_flux, cut_flow, samples[0].survey)
