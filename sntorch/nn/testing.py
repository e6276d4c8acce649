"""What contracts of networks ask of any network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def assert_every_gradient(network: nn.Module) -> None:
    """Every parameter has a gradient that is finite and not zero."""
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"no gradient for {name}"
        assert bool(parameter.grad.isfinite().all()), f"gradient of {name} is not finite"
        assert bool(parameter.grad.any()), f"gradient of {name} is zero"


def reloaded(network: nn.Module, blank: Module) -> Module:
    """``blank`` with the weights of ``network``, carried through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(network.state_dict(), path)
        blank.load_state_dict(torch.load(path, weights_only=True))
    return blank
