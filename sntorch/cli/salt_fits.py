"""``sntorch fit model=salt3``: light curves of SNe Ia -> a table of SALT parameters."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.cli.bayesn_runs import given_light_curves, write_config
from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from pandas import DataFrame

    from sntorch.data.light_curve import LightCurve

log = logging.getLogger(__name__)

TARGET = "sntorch.simulation.salt.options.SALTOptions"
# What a SALT fit takes of the config; the rest is BayeSN's.
PREPARATION = ("preparation.drop_bands", "preparation.mwebv")
FOREIGN = ("sampler", "options.", "preparation.", "survey.", "corner", "figures", "seed")


def is_salt(cfg: DictConfig) -> bool:
    """Whether ``model`` is a SALT model."""
    return cfg.model.get("_target_") == TARGET


def fit(cfg: DictConfig, folder: Path) -> DataFrame:
    """Fit, write tables into ``folder``, and return the table.

    Args:
        cfg: The composed ``fit`` config.
        folder: Where everything goes.

    Raises:
        ConfigError: A setting of BayeSN's, or one that is not accepted.
        DataError: No supernova can be fitted.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from sntorch.bayesn.preparation import read_headers
    from sntorch.cli.runs import device
    from sntorch.data.io.fitres import write_fitres
    from sntorch.data.light_curve import LightCurves
    from sntorch.physics.bandpasses import load_bandpasses
    from sntorch.simulation.salt.fit import fit_salt3
    from sntorch.simulation.salt.loading import load_surfaces
    from sntorch.simulation.salt.table import salt_table, write_tables

    _refuse_foreign(HydraConfig.get().overrides.task if HydraConfig.initialized() else ())
    options = instantiate(cfg.model, _convert_="all")
    if cfg.bandpasses:
        load_bandpasses(cfg.bandpasses)
    headers = read_headers(cfg.headers) if cfg.headers else {}
    curves = [_completed(lc, cfg, headers) for lc in given_light_curves(cfg, headers, "fit")]
    batch = LightCurves(curves).to_batch()
    surfaces = load_surfaces(options.source)
    found = fit_salt3(batch.to(device(str(cfg.device))), options, surfaces)
    failures = why_not(found.reason.tolist(), curves)
    table = salt_table(found, batch, [lc.meta for lc in curves], surfaces)
    _tell(table, failures)
    write_config(folder, cfg)
    name = options.source.partition(":")[0]
    write_tables(table, folder, name)
    write_fitres(table, folder / f"{cfg.prefix}.FITRES.TEXT", failures, name.upper())
    return table


def report(table: DataFrame) -> str:
    """What came of it, in a few lines."""
    lines = [f"{len(table)} supernovae fitted"]
    doubtful = len(table) - int(np.sum(table["CONVERGED"]))
    if doubtful:
        lines.append(f"  {doubtful} not converged: at a bound, or at the end of the model's days")
    middles: Any = table.median(numeric_only=True)
    for name in ("x1", "c"):
        middle, error = middles[name], middles[f"{name}ERR"]
        lines.append(f"median {name} {middle:.3f}, its error {error:.3f}")
    return "\n".join(lines)


def why_not(reasons: Sequence[int], curves: Sequence[LightCurve]) -> list[tuple[str, str]]:
    """Names and reasons of those that were not fitted."""
    from sntorch.simulation.salt.result import REASONS

    pairs = zip(curves, reasons, strict=True)
    return [
        (lc.object_id, REASONS[k] + (f" in {lc.source}" if lc.source else ""))
        for lc, k in pairs
        if k
    ]


def _refuse_foreign(overrides: Sequence[str]) -> None:
    """A setting that would be without effect is an error."""
    for override in overrides:
        name = override.lstrip("+~").partition("=")[0]
        if name.startswith(FOREIGN) and not name.startswith(PREPARATION):
            raise ConfigError(
                f"{override}: of BayeSN's fits, not of SALT's, whose choices are "
                f"model.model_covariance, model.phase_range, … and {', '.join(PREPARATION)}"
            )


def _completed(
    light_curve: LightCurve, cfg: DictConfig, headers: Mapping[str, Mapping[str, Any]]
) -> LightCurve:
    """The light curve with the table's header values, and without the bands to drop."""
    from sntorch.bayesn.preparation import BESIDE, find_header
    from sntorch.physics.bandpasses import canonical_name

    header = find_header(headers, light_curve)
    given = {k: float(v) for k, v in header.items() if k not in BESIDE and np.isfinite(v)}
    light_curve = replace(light_curve, **given)
    default = cfg.preparation.mwebv
    if default is not None and not np.isfinite(light_curve.mwebv):
        light_curve = replace(light_curve, mwebv=float(default))
    dropped = {canonical_name(name) for name in cfg.preparation.drop_bands}
    if not dropped:
        return light_curve
    keep = np.array([canonical_name(name) not in dropped for name in light_curve.bands])
    return light_curve.keep(keep[light_curve.band_index])


def _tell(table: DataFrame, failures: Sequence[tuple[str, str]]) -> None:
    """Tell the log what was left out; an error where nothing remains."""
    if not len(table):
        reasons = "; ".join(f"{name}: {why}" for name, why in failures[:3])
        more = f" (and {len(failures) - 3} more)" if len(failures) > 3 else ""
        raise DataError(f"no supernova can be fitted: {reasons}{more}")
    bands = Counter(b for row in table["BAND_DROPPED"] for b in str(row).split(",") if b != "NULL")
    for name, count in sorted(bands.items()):
        log.info("band %s left out of %d supernovae: not within the model", name, count)
    for name, why in failures:
        log.warning("%s is not fitted: %s", name, why)
