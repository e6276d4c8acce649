"""``sntorch fit``: light curves of SNe Ia -> posteriors, tables and figures.

With ``model=salt3`` (or salt2) it is ``salt_fits`` that does the work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli import salt_fits
from sntorch.cli.bayesn_runs import (
    given_light_curves,
    output_folder,
    published_model,
    write_config,
    write_figures,
)
from sntorch.cli.entry import hydra_main, whole_number
from sntorch.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from omegaconf import DictConfig
    from pandas import DataFrame

    from sntorch.bayesn.posterior import Posterior
    from sntorch.bayesn.preparation import Prepared

log = logging.getLogger(__name__)


@hydra_main("fit")
def main(cfg: DictConfig) -> None:
    """Fit as the config says."""
    whole_number(cfg, "figures", 0)
    whole_number(cfg, "seed", 0)
    folder = output_folder(cfg.out, cfg.task)
    if salt_fits.is_salt(cfg):
        print(salt_fits.report(salt_fits.fit(cfg, folder)))
    else:
        print(report(fit(cfg, folder)))
    print(folder)


def fit(cfg: DictConfig, folder: Path) -> DataFrame:
    """Fit, write tables, draws and figures into ``folder``, and return the summary.

    Args:
        cfg: The composed ``fit`` config.
        folder: Where everything goes; finished chunks found there are not fitted again.
    """
    from hydra.utils import instantiate

    from sntorch.bayesn.preparation import prepare, read_headers
    from sntorch.bayesn.products import write_products
    from sntorch.bayesn.survey import fit_survey
    from sntorch.physics.bandpasses import load_bandpasses

    options, preparation, settings, survey = (
        instantiate(cfg[k], _convert_="all")
        for k in ("options", "preparation", "sampler", "survey")
    )
    if cfg.bandpasses:
        load_bandpasses(cfg.bandpasses)
    sed = published_model(cfg)
    headers = read_headers(cfg.headers) if cfg.headers else None
    light_curves = given_light_curves(cfg, headers, "fit")
    prepared = prepare(light_curves, sed, preparation, headers)
    _check_corner(_names(cfg.corner), prepared)
    parts = fit_survey(prepared, sed, options, settings, survey, folder / "chunks")
    write_config(folder, cfg)
    log.info("fitting %d supernovae; to go on if stopped: out=%s", len(prepared.muhat), folder)
    summary, posterior = write_products(parts, prepared, folder, cfg.prefix)
    write_figures(folder, figures(summary, posterior, prepared, cfg))
    return summary


def report(summary: DataFrame) -> str:
    """What came of it, in a few lines."""
    flags: Any = summary["flag"].fillna("")
    failed = flags.str.startswith("not_fitted")
    fitted: Any = summary[~failed]
    lines = [f"{len(fitted)} supernovae fitted, {int(failed.sum())} not"]
    for name in ("rhat", "divergences", "k_hat", "mode", "tmax", "chi2"):
        n = int(flags.str.split(",").map(lambda names, name=name: name in names).sum())
        if n:
            lines.append(f"  {n} flagged {name}")
    if fitted["rhat_max"].notna().any():
        worst, least = fitted["rhat_max"].max(), fitted["ess_min"].min()
        lines.append(f"largest R-hat {worst:.3f}, smallest effective sample size {least:.0f}")
    if fitted["mu_sd"].notna().any():
        median = fitted["mu_sd"].median()
        lines.append(f"median sd of the distance modulus {median:.3f} mag")
    return "\n".join(lines)


def figures(
    summary: DataFrame, posterior: Posterior, prepared: Prepared, cfg: DictConfig
) -> Iterator[tuple[str, Figure]]:
    """Name and figure, one after another: Hubble diagram, light curves, corner plots."""
    import torch

    from sntorch.physics.cosmology import Cosmology
    from sntorch.plotting.posterior import corner, hubble_diagram, light_curve_fit

    fitted = summary.head(len(prepared.muhat))
    if cfg.sampler.sampler != "map":
        redshift = _cosmological_redshift(prepared)
        muhat = Cosmology().distmod(torch.as_tensor(redshift)).numpy()
        yield "hubble_diagram", hubble_diagram(fitted, redshift, muhat)
    if not posterior.epsilon_dropped:
        for i in range(min(cfg.figures, len(posterior))):
            name = posterior.batch.object_id[i]
            yield f"light_curves/{_file_name(name)}", light_curve_fit(posterior, i)
    for name in _names(cfg.corner):
        yield f"corner/{_file_name(name)}", corner(posterior, name)


def _names(asked: Any) -> list[str]:
    """A list of names, or a single one."""
    return [str(asked)] if isinstance(asked, str | int) else [str(name) for name in asked or []]


def _check_corner(names: list[str], prepared: Prepared) -> None:
    """Names that are not fitted are refused before the hours of fitting."""
    fitted = [lc.object_id for lc in prepared.light_curves]
    reasons = dict(prepared.failures)
    for name in names:
        if name in reasons:
            raise DataError(f"corner={name}: it is not fitted: {reasons[name]}")
        if name not in fitted:
            near = ", ".join(get_close_matches(name, fitted, 3, 0.0))
            raise DataError(f"corner={name}: no such supernova; nearest are {near}")


def _cosmological_redshift(prepared: Prepared) -> Any:
    import numpy as np

    return np.array(prepared.redshift_cmb)


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


if __name__ == "__main__":
    main()
