"""The SED model as people use it: the forward model of ``physics``, and fits with it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from sntorch.bayesn.fitting import SamplerSettings
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.posterior import Posterior
from sntorch.bayesn.preparation import Preparation, as_light_curves, prepare, read_headers
from sntorch.bayesn.survey import SurveySettings, fit_survey, join
from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel as ForwardModel

PARTS = (FitOptions, SamplerSettings, Preparation, SurveySettings)


class SEDModel(ForwardModel):
    """BayeSN's SED model of SNe Ia: photometry and spectra of parameters, and fits of data.

    Example:
        sed = SEDModel.from_name("t21")
        posterior = sed.fit("Foundation_DR1_2016W.txt")
        posterior.summary()
    """

    def fit(
        self,
        light_curves: Any,
        sampler: str = "nuts",
        headers: Any = None,
        folder: str | Path | None = None,
        cosmology: Cosmology | None = None,
        **settings: Any,
    ) -> Posterior:
        """Posteriors of supernovae with this model's population as the prior.

        Args:
            light_curves: Light curves, one or many; a batch; an astropy table in sncosmo's
                columns; a file or a folder.
            sampler: ``nuts``, ``vi``, ``laplace`` or ``map``.
            headers: A table of better headers (time of peak, redshift, E(B-V)): a file, or a
                mapping from names to values (``preparation.read_headers``).
            folder: Where finished chunks are kept: a fit that was stopped goes on from there.
            cosmology: For the wide prior of the distances.
            **settings: Fields of ``FitOptions`` (what is free), ``SamplerSettings`` (chains,
                draws, seed, …), ``Preparation`` (what is left out) and ``SurveySettings`` (chunks,
                processes).

        Raises:
            ConfigError: A setting that does not exist or is not accepted; an unknown band.
            DataError: Nothing that can be fitted.
        """
        options, how, preparation, survey = build(PARTS, {**settings, "sampler": sampler})
        given = read_headers(headers) if isinstance(headers, str | Path) else headers
        curves = as_light_curves(light_curves)
        prepared = prepare(curves, self, preparation, given, cosmology)
        return join(fit_survey(prepared, self, options, how, survey, folder), prepared)


def build(parts: tuple[type, ...], settings: dict[str, Any]) -> tuple[Any, ...]:
    """One object of each class, from settings by field name.

    Raises:
        ConfigError: A name that is no field of any.
    """
    names = [{f.name for f in fields(part)} for part in parts]
    unknown = set(settings) - set().union(*names)
    if unknown:
        known = ", ".join(sorted(set().union(*names)))
        raise ConfigError(f"no setting {', '.join(sorted(unknown))}; accepted are {known}")
    chosen = ({k: v for k, v in settings.items() if k in own} for own in names)
    return tuple(part(**values) for part, values in zip(parts, chosen, strict=True))
