"""The numbers of a trained BayeSN model, as its BAYESN.YAML holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from sntorch.atomic import atomic_write
from sntorch.errors import ConfigError
from sntorch.physics.standards import DATA

Array = NDArray[np.float64]
REQUIRED = ("L_KNOTS", "TAU_KNOTS", "W0", "W1", "L_SIGMA_EPSILON", "SIGMA0", "TAUA", "M0")


@dataclass(frozen=True, eq=False)
class SEDParameters:
    """Population parameters of a BayeSN model (Mandel et al. 2022, table 1).

    Attributes:
        wave_knots: Rest-frame wavelengths of the surface's knots, Å, shape (K_l,).
        time_knots: Rest-frame days of the knots, shape (K_t,).
        w0, w1: Mean warp and first functional component at the knots, mag, shape (K_l, K_t).
        epsilon_cholesky: Cholesky factor of the residuals' covariance, shape (N, N) with
            N = (K_l - 2) K_t, wavelength varying fastest.
        sigma0: Scatter of the grey offset, mag.
        tau_a: Mean of the exponential distribution of A_V, mag.
        m0: Normalisation, mag.
        rv: R_V of all hosts, or the mean of its population.
        sigma_r: Standard deviation of R_V, 0 where all hosts share one.
    """

    wave_knots: Array
    time_knots: Array
    w0: Array
    w1: Array
    epsilon_cholesky: Array
    sigma0: float
    tau_a: float
    m0: float
    rv: float
    sigma_r: float = 0.0

    @classmethod
    def from_name(cls, name: str) -> SEDParameters:
        """A packaged model: t21, foundation-griz (griz), m20 or w22 (optical and near-infrared).

        ``foundation-griz`` is sntorch's own training on T21's sample; beside it lies a table of
        its chains.

        Raises:
            ConfigError: Another name.
        """
        path = DATA / "models" / f"{name.lower().removesuffix('_model')}.yaml"
        if not path.is_file():
            names = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
            raise ConfigError(
                f"no model {name!r}; packaged are {names}; SEDModel.from_yaml reads others"
            )
        return cls.from_yaml(path)

    @classmethod
    def from_yaml(cls, path: str | Path) -> SEDParameters:
        """Any BAYESN.YAML, of fixed R_V (key RV) or a population of it (MUR, SIGMAR).

        Raises:
            ConfigError: No such file, a missing key, or arrays whose shapes do not fit the knots.
        """
        path = Path(path)
        content = _read(path)
        rv, sigma_r = _dust(path, content)
        parameters = cls(
            wave_knots=_array(path, content, "L_KNOTS"),
            time_knots=_array(path, content, "TAU_KNOTS"),
            w0=_array(path, content, "W0"),
            w1=_array(path, content, "W1"),
            epsilon_cholesky=_array(path, content, "L_SIGMA_EPSILON"),
            sigma0=_number(path, content, "SIGMA0"),
            tau_a=_number(path, content, "TAUA"),
            m0=_number(path, content, "M0"),
            rv=rv,
            sigma_r=sigma_r,
        )
        parameters._check(path)
        return parameters

    def to_yaml(self, path: str | Path, provenance: Sequence[str] = ()) -> None:
        """Write a BAYESN.YAML in the reference's format; ``from_yaml`` gives the same bits back.

        R_V of one value is written as RV, a population of it as MUR and SIGMAR.

        Args:
            path: The file; one that exists is replaced, whole or not at all.
            provenance: Where the numbers come from, lines of a comment at the head of the file.

        Raises:
            ConfigError: A number that is not finite, or arrays whose shapes do not fit the knots.
            DataError: The file cannot be written.
        """
        path = Path(path)
        self._check(path)
        content = self._content()
        for key, value in content.items():
            if not np.isfinite(value).all():
                raise ConfigError(f"{path}: {key} holds a value that is not finite: not written")
        # PyYAML writes all digits, and 1.0e-05 where repr has 1e-05, a string to YAML 1.1.
        body = yaml.safe_dump(content, default_flow_style=None, sort_keys=False, width=95)
        with atomic_write(path) as draft:
            draft.write_text(_comment(provenance) + body, encoding="utf-8")

    def _content(self) -> dict[str, Any]:
        dust = {"MUR": self.rv, "SIGMAR": self.sigma_r} if self.sigma_r else {"RV": self.rv}
        numbers = {"M0": self.m0, "SIGMA0": self.sigma0, **dust, "TAUA": self.tau_a}
        arrays = {
            "L_KNOTS": self.wave_knots,
            "TAU_KNOTS": self.time_knots,
            "W0": self.w0,
            "W1": self.w1,
            "L_SIGMA_EPSILON": self.epsilon_cholesky,
        }
        return {k: float(v) for k, v in numbers.items()} | {
            k: np.asarray(v, dtype=np.float64).tolist() for k, v in arrays.items()
        }

    def _check(self, path: Path) -> None:
        for name, knots in (("L_KNOTS", self.wave_knots), ("TAU_KNOTS", self.time_knots)):
            if knots.ndim != 1 or len(knots) < 3 or not (np.diff(knots) > 0).all():
                raise ConfigError(f"{path}: {name}: three or more increasing knots are accepted")
        shape = (len(self.wave_knots), len(self.time_knots))
        n = (shape[0] - 2) * shape[1]
        for name, found, wanted in (
            ("W0", self.w0.shape, shape),
            ("W1", self.w1.shape, shape),
            ("L_SIGMA_EPSILON", self.epsilon_cholesky.shape, (n, n)),
        ):
            if found != wanted:
                raise ConfigError(f"{path}: {name} has shape {found}, the knots ask for {wanted}")


def _comment(lines: Sequence[str]) -> str:
    # Control characters are refused by YAML even in comments.
    clean = ["".join(c if c.isprintable() else " " for c in line) for line in lines]
    return "".join(f"# {line}".rstrip() + "\n" for line in clean)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({type(error).__name__})") from error
    missing = [key for key in REQUIRED if not isinstance(content, dict) or key not in content]
    if missing:
        raise ConfigError(f"{path}: not a BAYESN.YAML, it lacks {', '.join(missing)}")
    return content


def _dust(path: Path, content: dict[str, Any]) -> tuple[float, float]:
    upper = {str(key).upper().replace("_", ""): key for key in content}
    if "MUR" in upper and "SIGMAR" in upper:
        return _number(path, content, upper["MUR"]), _number(path, content, upper["SIGMAR"])
    if "RV" not in upper:
        raise ConfigError(f"{path}: neither RV nor MUR and SIGMAR is given")
    return _number(path, content, upper["RV"]), 0.0


def _array(path: Path, content: dict[str, Any], key: str) -> Array:
    # YAML 1.1 reads 1e-05 as a string: the conversion to float is explicit.
    try:
        array = np.array(content[key], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {key} is not an array of numbers ({error})") from error
    if not np.isfinite(array).all():
        raise ConfigError(f"{path}: {key} holds a value that is not finite")
    return array


def _number(path: Path, content: dict[str, Any], key: str) -> float:
    try:
        return float(content[key])
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {key} is {content[key]!r}; a number is accepted") from error
