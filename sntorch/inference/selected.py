"""Selection as a factor of any Pyro model of a population."""

from __future__ import annotations

from torch import Tensor

from sntorch.errors import ConfigError


def selection_factor(name: str, log_selected: Tensor) -> None:
    """Tell a Pyro model that only selected objects were seen: each divides by its P(selected).

    Call it inside the plate of the objects, with ln P(selected | its covariates, parameters of
    the population): exact, such as ``Cut.log_prob`` integrated over latents, or learnt.

    Args:
        name: Of the site.
        log_selected: ln P(selected), the shape of the plate.

    Raises:
        ConfigError: A probability above 1.
    """
    import pyro

    # Quadrature rounds.
    if bool((log_selected > 1e-6).any()):
        raise ConfigError(
            f"selection factor {name}: ln of a probability is at most 0; found "
            f"{float(log_selected.max()):.3g}"
        )
    pyro.factor(name, -log_selected)
