"""Posteriors as netCDF files in ArviZ's layout, which hold all that is needed to go on.

Groups: ``posterior`` (chain, draw, object), ``observed_data`` (flux) and ``constant_data`` (the
other columns of the batch, the fit's statistics as ``statistics_*``, the failures, and the SED
model as ``sed_*``), so that a posterior can be loaded without the files that it came from.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset

    from sntorch.bayesn.posterior import Posterior

FILE = "posterior.nc"
ENGINE = "h5netcdf"
# h5netcdf does not ask for the library that it reads files with.
PACKAGES = ("xarray", "h5netcdf", "h5py")
UNITS = {"av": "mag", "tmax": "d (rest frame)", "ds": "mag", "mu": "mag", "delta_m": "mag"}
TOKENS = ("time", "flux_err", "band", "mask", "upper_limit")
OBJECTS = ("redshift", "redshift_err", "mwebv", "t_ref", "label")
SED_ARRAYS = {
    "wave_knots": ("wave_knot",),
    "time_knots": ("time_knot",),
    "w0": ("wave_knot", "time_knot"),
    "w1": ("wave_knot", "time_knot"),
    "epsilon_cholesky": ("epsilon_dim", "epsilon_column"),
}
SED_NUMBERS = ("sigma0", "tau_a", "m0", "rv", "sigma_r", "n_nodes")


def require() -> None:
    """Look for the packages that write and read the file.

    Raises:
        ConfigError: One of them is not installed.
    """
    for name in PACKAGES:
        _needed(name)


def groups(posterior: Posterior) -> dict[str, Dataset]:
    """The groups of the file.

    Raises:
        ConfigError: xarray is not installed.
    """
    xarray = _needed("xarray")
    names = {"object": np.array(posterior.batch.object_id, dtype=str)}
    draws = {}
    for name, value in posterior.draws.items():
        dims = ("chain", "draw", "object", *(("epsilon_dim",) if name == "epsilon" else ()))
        values = _array(value.movedim(0, 2))
        draws[name] = (dims, values, {"units": UNITS.get(name, "1")})
    about = {"inference_library": "sntorch", "epsilon_dropped": int(posterior.epsilon_dropped)}
    batch = posterior.batch
    flux = {"flux": (("object", "observation"), _array(batch.flux), {"units": "FLUXCAL"})}
    constant = {**_batch_columns(batch), **_tables(posterior), **_sed(posterior.sed)}
    numbers = {f"sed_{name}": getattr(posterior.sed, name) for name in SED_NUMBERS}
    attributes = {**about, "zeropoint": batch.zeropoint, **numbers}
    chains, length = posterior.draws["ds"].shape[1:]
    steps = {"chain": np.arange(chains), "draw": np.arange(length)}
    return {
        "posterior": xarray.Dataset(draws, {**steps, **names}, about),
        "observed_data": xarray.Dataset(flux, names, about),
        "constant_data": xarray.Dataset(constant, names, attributes),
    }


def to_arviz(datasets: dict[str, Dataset]) -> Any:
    """ArviZ's container of the groups: ``InferenceData`` before 1.0, xarray's ``DataTree`` since.

    Raises:
        ConfigError: ArviZ is not installed.
    """
    arviz = _needed("arviz")
    if int(arviz.__version__.split(".")[0]) < 1:
        return arviz.InferenceData(**datasets)
    return _needed("xarray").DataTree.from_dict(datasets)


def save(datasets: dict[str, Dataset], path: Path) -> None:
    """Write the groups to a netCDF file, ε in single precision.

    Raises:
        ConfigError: h5netcdf or h5py is not installed.
    """
    require()
    with atomic_write(path) as draft:
        mode = "w"
        for name, dataset in datasets.items():
            if "epsilon" in dataset:
                dataset = dataset.assign(epsilon=dataset["epsilon"].astype(np.float32))
            dataset.to_netcdf(draft, group=name, engine=ENGINE, mode=mode)
            mode = "a"


def load(path: str | Path) -> dict[str, Any]:
    """Arguments of ``Posterior`` from a file.

    Args:
        path: The file, or its folder.

    Raises:
        DataError: No such file, or another kind of file.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path}: no such file; Posterior.write makes one")
    require()
    read = _needed("xarray").load_dataset
    try:
        posterior, observed, constant = (
            read(path, group=name, engine=ENGINE)
            for name in ("posterior", "observed_data", "constant_data")
        )
        return {
            "sed": _load_sed(constant),
            "batch": _load_batch(observed, constant),
            "draws": {
                str(name): _tensor(values).movedim(2, 0)
                for name, values in posterior.data_vars.items()
            },
            "statistics": _load_table(constant, "statistics_"),
            "failures": _load_table(constant, "failures_"),
            "epsilon_dropped": bool(posterior.attrs["epsilon_dropped"]),
        }
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a posterior of sntorch ({error})") from error


def _needed(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is not installed: pip install sntorch[arviz]") from error


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.values))


def _words(values: Any) -> list[str]:
    return [str(v) for v in values.values]


def _batch_columns(batch: LightCurveBatch) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: (("object", "observation"), _array(getattr(batch, name))) for name in TOKENS
    }
    columns |= {name: (("object",), _array(getattr(batch, name))) for name in OBJECTS}
    columns["bands"] = (("band_name",), np.array(batch.bands, dtype=str))
    if batch.classes:
        columns["classes"] = (("class_name",), np.array(batch.classes, dtype=str))
    if batch.host.shape[1]:
        columns["host"] = (("object", "host_column"), _array(batch.host))
    return columns


def _tables(posterior: Posterior) -> dict[str, Any]:
    columns = {}
    for prefix, dimension, table in (
        ("statistics_", "object", posterior.statistics),
        ("failures_", "failure", posterior.failures),
    ):
        if len(table):
            columns |= {f"{prefix}{name}": ((dimension,), _values(table, name)) for name in table}
    return columns


def _values(table: DataFrame, name: str) -> np.ndarray:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    column = table[name]
    if is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=bool)
    if is_numeric_dtype(column.dtype):
        return column.to_numpy()
    return np.array(["" if value is None else str(value) for value in column], dtype=str)


def _sed(sed: SEDModel) -> dict[str, Any]:
    return {f"sed_{k}": (dims, _array(getattr(sed, k))) for k, dims in SED_ARRAYS.items()}


def _load_sed(constant: Dataset) -> SEDModel:
    arrays = {k: constant[f"sed_{k}"].values.astype(np.float64) for k in SED_ARRAYS}
    numbers = {k: constant.attrs[f"sed_{k}"].item() for k in SED_NUMBERS}
    n_nodes = int(numbers.pop("n_nodes"))
    return SEDModel(SEDParameters(**arrays, **numbers), n_nodes)


def _load_batch(observed: Dataset, constant: Dataset) -> LightCurveBatch:
    n = constant.sizes["object"]
    columns: Any = {name: _tensor(constant[name]) for name in (*TOKENS, *OBJECTS)}
    host = _tensor(constant["host"]) if "host" in constant else torch.zeros(n, 0).double()
    return LightCurveBatch(
        **columns,
        flux=_tensor(observed["flux"]),
        host=host,
        object_id=_words(constant["object"]),
        bands=tuple(_words(constant["bands"])),
        classes=tuple(_words(constant["classes"])) if "classes" in constant else (),
        zeropoint=float(constant.attrs["zeropoint"]),
    )


def _load_table(constant: Dataset, prefix: str) -> DataFrame:
    from pandas import DataFrame

    columns = {
        str(name).removeprefix(prefix): _words(v) if v.dtype.kind in "OUT" else v.values
        for name, v in constant.data_vars.items()
        if str(name).startswith(prefix)
    }
    return DataFrame(columns or {"object_id": [], "reason": []})
