"""A selection by peak magnitude, as it is stated, and what it means for a sample.

Injections at the sample's redshifts (``injections``) are what an efficiency is learnt from
(``inference.efficiency``); its values at knots in dust and distance are what a population's
likelihood is divided by (``selected``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor

from sntorch.bayesn.injections import (
    PEAK,
    REDSHIFT,
    bands_of,
    inject,
    latents_of,
    log_kept,
    of_redshift,
    peaks,
)
from sntorch.bayesn.populations import Conditions
from sntorch.bayesn.selected import AV_KNOTS, INVERSE_RV_KNOTS, SHIFT_KNOTS, SelectedSample
from sntorch.bayesn.training_sample import TrainingSample
from sntorch.errors import ConfigError, DataError, check_number
from sntorch.inference.efficiency import EfficiencyModule, fit_efficiency
from sntorch.physics.sed import SEDModel
from sntorch.simulation.selection import Cut

log = logging.getLogger(__name__)

# Supernovae that are less likely than this to be selected contradict the selection.
LEAST_SELECTED = 1e-4
FEWEST = 200
# Supernovae of which the table is made at once.
TOGETHER = 64


class PeakSelection:
    """What supernovae were selected by: cuts on ``peak BAND``, or on it and on ``redshift``.

    With redshifts taken as given, a cut on redshift alone changes no probability: the sample is
    only checked against it.

    Args:
        cuts: By name; a supernova is selected that passes all. Efficiencies of
            ``simulation.selection`` (``MagnitudeLimit`` above all), and their combinations.
        injections: Number of supernovae from which the efficiency is learnt.
        seed: Of the injections.

    Raises:
        ConfigError: No cut, a cut on another quantity, none on a peak, too few injections.
    """

    def __init__(self, cuts: Mapping[str, Cut], injections: int = 3000, seed: int = 0) -> None:
        if not cuts:
            raise ConfigError("selection: at least one cut is accepted; selected_by=none has none")
        self.bands = bands_of(cuts)
        self.of_redshift = {name: cut for name, cut in cuts.items() if of_redshift(cut)}
        self.cuts = {name: cut for name, cut in cuts.items() if name not in self.of_redshift}
        if not self.cuts:
            raise ConfigError(
                "selection: redshift alone changes nothing, since redshifts are taken as given; "
                f"a cut on '{PEAK}BAND' is accepted as well, or selected_by=none"
            )
        self.injections, self.seed = injections, seed
        check_number("injections", injections, whole=True)
        if not injections >= FEWEST:
            raise ConfigError(f"injections={injections}: at least {FEWEST} are accepted")

    def __repr__(self) -> str:
        return " & ".join(map(str, [*self.cuts.values(), *self.of_redshift.values()]))

    def __call__(self, sed: SEDModel, sample: TrainingSample) -> SelectedSample:
        """Learn the efficiency of a sample's redshifts.

        Args:
            sed: The model, which is held fixed.
            sample: The supernovae that were selected.

        Raises:
            ConfigError: A band that the model does not cover at these redshifts.
            DataError: A supernova that the selection would never, or hardly ever, have let in.
        """
        o = sample.observations
        self._check_redshifts(sample)
        self._check_bands(sed, o.redshift)
        with torch.no_grad():
            at = (o.redshift, o.mwebv, o.muhat)
            latents, kept = inject(sed, self.cuts, *at, self.injections, self.seed)
            with torch.enable_grad():
                efficiency = fit_efficiency(latents.cpu(), kept.cpu(), self.seed)
            rows = torch.arange(len(sample), device=o.redshift.device).split(TOGETHER)
            parts = [self._table(sed, efficiency, *(v[some] for v in at)) for some in rows]
        rule = f"{self} (learnt from {self.injections} injections, seed {self.seed})"
        selected = SelectedSample(torch.cat(parts), sample.distance_err, rule)
        self._check_sample(sed, sample, selected)
        return selected

    def _table(
        self,
        sed: SEDModel,
        efficiency: EfficiencyModule,
        redshift: Tensor,
        mwebv: Tensor,
        muhat: Tensor,
    ) -> Tensor:
        """ε at the knots, shape (S, K, I J)."""
        axes = (redshift.new_tensor(k) for k in (AV_KNOTS, INVERSE_RV_KNOTS, SHIFT_KNOTS))
        av, inverse, shift = axes
        pairs = torch.cartesian_prod(av, 1 / inverse)
        n, n_pairs = len(redshift), len(pairs)
        own = {"redshift": redshift, "mwebv": mwebv, "distmod": muhat}
        host = {k: v.repeat_interleave(n_pairs) for k, v in own.items()}
        dust = pairs.repeat(n, 1)
        mean = peaks(sed, self.bands, av=dust[:, 0], rv=dust[:, 1], **host)
        mean = mean.view(n, 1, n_pairs, -1) + shift[:, None, None]
        latents = latents_of(mean, redshift[:, None, None])
        return efficiency(latents.cpu()).exp().to(redshift)

    def _check_redshifts(self, sample: TrainingSample) -> None:
        redshift = sample.observations.redshift
        for name, cut in self.of_redshift.items():
            never = log_kept({name: cut}, {REDSHIFT: redshift}).exp() == 0
            if never.any():
                i = int(never.nonzero()[0])
                raise DataError(
                    f"selection {cut}: {sample.object_id[i]}, at redshift "
                    f"{float(redshift[i]):.4f}, does not pass; another range, or "
                    f"sample.exclude=[{sample.object_id[i]}]"
                )

    def _check_bands(self, sed: SEDModel, redshift: Tensor) -> None:
        for band in self.bands:
            missing = ~sed.covers(band, redshift)
            if missing.any():
                z = float(redshift[missing].max())
                first, last = sed.wave_range
                raise ConfigError(
                    f"selection: {band} at redshift {z:.3f} is beyond the model's wavelengths, "
                    f"{first:.0f}-{last:.0f} Å"
                )

    def _check_sample(
        self, sed: SEDModel, sample: TrainingSample, selected: SelectedSample
    ) -> None:
        """Under the population that the SED model comes with."""
        number = {"tau_a": sed.tau_a, "sigma0": sed.sigma0, "rv": sed.rv}
        given = Conditions(**{k: sed.w0.new_tensor([v]) for k, v in number.items()})
        log_selected = selected.log_selected(given)
        share = log_selected.exp()
        log.info("selection: %s; P(selected) %.2g to %.2g", self, share.min(), share.max())
        least = int(log_selected.argmin())
        if share[least] < LEAST_SELECTED:
            z = float(sample.redshift_cmb[least])
            raise DataError(
                f"selection {self}: it lets {sample.object_id[least]} in, at redshift {z:.3f}, "
                f"with probability {float(share[least]):.1e}: another limit, a softer one, or "
                f"sample.exclude=[{sample.object_id[least]}]"
            )
