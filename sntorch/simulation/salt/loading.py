"""The surfaces of SALT2 and SALT3, by way of sncosmo (extra ``[astro]``), which has the files."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.salt.surfaces import ColorLaw, Grid, SALTSurfaces
from sntorch.simulation.sncosmo_source import load_sncosmo_source


@cache
def load_surfaces(name: str = "salt3") -> SALTSurfaces:
    """The SALT model of a sncosmo source, ``salt3``, ``salt3-nir``, ``salt2:2.4``, ….

    Raises:
        ConfigError: sncosmo is not installed, has no such source, or it is no SALT model.
    """
    source = load_sncosmo_source(name)
    model: dict[str, Any] = getattr(source, "_model", {})
    if tuple(source.param_names) != ("x0", "x1", "c") or "LCRV00" not in model:
        raise ConfigError(
            f"source {name} is no SALT2 or SALT3 model; accepted are salt3, salt2, …"
        )
    law, scale = source._colorlaw, model.get("errscale")
    wave_range, coefficients = law.__getnewargs__()
    wave, dispersion = (_tensor(v) for v in source._colordisp._data[:2])
    return SALTSurfaces(
        m0=_grid(model["M0"]),
        m1=_grid(model["M1"]),
        color_law=ColorLaw(tuple(coefficients), tuple(wave_range)),
        v00=_grid(model["LCRV00"]),
        v01=_grid(model["LCRV01"]),
        v11=_grid(model["LCRV11"]),
        error_scale=None if scale is None else _grid(scale),
        dispersion_wave=wave,
        dispersion=dispersion,
        name=name,
    )


def _grid(interpolator: Any) -> Grid:
    """Nodes and values of a sncosmo interpolator: what it pickles itself with."""
    return Grid(*(_tensor(v) for v in interpolator.__getnewargs__()))


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64).contiguous()
