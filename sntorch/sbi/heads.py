"""ln r of parameters and an embedded survey: the last part of a ratio estimator.

A head takes parameters that belong to all surveys (C, D), or to each its own (B, C, D), and makes
logits (B, C). The first kind is cheap for many parameters at once.

Letters in shapes: ``B`` surveys, ``C`` points θ, ``D`` parameters, ``E`` numbers of an embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.errors import ConfigError
from sntorch.sbi.embeddings import perceptron
from sntorch.sbi.encoders import n_products, products


class BilinearHead(nn.Module):
    """ln r = g(θ) · e + b(θ) (+ a · e), with an embedding e of the survey.

    For independent supernovae ln p(x | θ) = Σ_i ln p(d_i | θ) is such a product, if e is a sum of
    enough functions of d_i. Parameters of all surveys cost one evaluation of g each and a matrix
    product: a thousand contrasts are hardly dearer than ten.

    Args:
        n_parameters: D.
        n_embedding: E.
        width: Of hidden layers.
        depth: Hidden layers.
        offset: Whether there is a term a · e that does not depend on θ, without which the ratio
            cannot be normalised; NRE-B does not see it.
    """

    def __init__(
        self, n_parameters: int, n_embedding: int, width: int, depth: int, offset: bool
    ) -> None:
        super().__init__()
        widths = [n_products(n_parameters), *[width] * depth, n_embedding + 1]
        self.of_theta = perceptron(*widths, bias=False)
        self.offset = nn.Linear(n_embedding, 1) if offset else None

    def forward(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """Logits, shape (B, C), of θ (C, D) or (B, C, D) and embeddings (B, E)."""
        found = self.of_theta(products(theta))
        slopes, own = found[..., :-1], found[..., -1]
        if theta.ndim == 2:
            logit = embedded @ slopes.mT
        else:
            logit = (slopes @ embedded[..., None])[..., 0]
        logit = logit + own
        return logit if self.offset is None else logit + self.offset(embedded)


class PerceptronHead(nn.Module):
    """ln r by a perceptron on θ and the embedding side by side.

    Args:
        n_parameters: D.
        n_embedding: E.
        width: Of hidden layers.
        depth: Hidden layers.
        offset: Whether the last layer has a bias, which NRE-B does not see.
    """

    def __init__(
        self, n_parameters: int, n_embedding: int, width: int, depth: int, offset: bool
    ) -> None:
        super().__init__()
        self.net = perceptron(n_parameters + n_embedding, *[width] * depth, 1, bias=offset)

    def forward(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """Logits, shape (B, C), of θ (C, D) or (B, C, D) and embeddings (B, E)."""
        n_surveys, n_points = len(embedded), theta.shape[-2]
        pairs = [
            theta.expand(n_surveys, n_points, -1),
            embedded[:, None].expand(-1, n_points, -1),
        ]
        return self.net(torch.cat(pairs, -1))[..., 0]


HEADS = {"bilinear": BilinearHead, "perceptron": PerceptronHead}


def make_head(kind: str, n_parameters: int, n_embedding: int, **settings: int) -> nn.Module:
    """A head by its name.

    Raises:
        ConfigError: Another name.
    """
    if kind not in HEADS:
        raise ConfigError(f"head {kind}: one of {', '.join(HEADS)} is accepted")
    return HEADS[kind](n_parameters, n_embedding, **settings)
