"""Losses of ratio estimators, of logits alone: no probability is ever rounded to zero or one.

A logit is ln r(θ, x), its target ln p(θ | x) / p(θ). With one joint pair (θ, x) and K marginal
ones (θ_k, x), θ_k drawn independently of x:

    NRE-A   softplus(-ln r) + mean_k softplus(ln r_k)             Hermans et al. 2020, 1903.04057
    NRE-B   -ln [r / (r + Σ_k r_k)]                               Durkan et al. 2020, 2002.03712
    NRE-C   -[ln p(none) + γ ln p(joint)] / (1 + γ)               Miller et al. 2022, 2210.06170
            p(k) = γ r_k / (K + γ Σ r),  p(none) = K / (K + γ Σ r)
    BNRE    NRE-A + λ (mean σ(ln r) + mean σ(ln r_k) - 1)²        Delaunoy et al. 2022, 2208.13624

NRE-B leaves ln r undetermined by any function of x; the others do not. p(none) is of a set of K
marginal θ, p(joint) of a set whose first one is replaced by the joint one.

Letters in shapes: ``B`` surveys, ``K`` marginal parameters for each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sntorch.errors import ConfigError

LOSSES = ("nre_a", "nre_b", "nre_c", "bnre")


def ratio_loss(
    name: str, joint: Tensor, marginal: Tensor, gamma: float = 1.0, balance: float = 100.0
) -> Tensor:
    """The mean loss, a scalar.

    Args:
        name: One of ``LOSSES``.
        joint: Logits of joint pairs, shape (B,).
        marginal: Logits of marginal pairs, shape (B, K).
        gamma: γ of NRE-C.
        balance: λ of BNRE.

    Raises:
        ConfigError: Another name.
    """
    if name == "nre_b":
        return -(joint - torch.cat([joint[:, None], marginal], 1).logsumexp(1)).mean()
    if name == "nre_c":
        return _contrast(joint, marginal, math.log(gamma))
    if name not in LOSSES:
        raise ConfigError(f"loss {name}: one of {', '.join(LOSSES)} is accepted")
    loss = softplus(-joint).mean() + softplus(marginal).mean()
    if name == "nre_a":
        return loss
    return loss + balance * (joint.sigmoid().mean() + marginal.sigmoid().mean() - 1) ** 2


def _contrast(joint: Tensor, marginal: Tensor, log_gamma: float) -> Tensor:
    log_k = marginal.new_tensor(math.log(marginal.shape[1]))
    others = torch.cat([joint[:, None], marginal[:, 1:]], 1)
    none = log_k - torch.logaddexp(log_k, log_gamma + marginal.logsumexp(1))
    first = log_gamma + joint - torch.logaddexp(log_k, log_gamma + others.logsumexp(1))
    gamma = math.exp(log_gamma)
    return -(none + gamma * first).mean() / (1 + gamma)


def information(joint: Tensor, marginal: Tensor) -> Tensor:
    """A lower bound of the mutual information, nats (van den Oord et al. 2018, 1807.03748).

    No more than ln (K + 1) is ever found.

    Args:
        joint: Logits of joint pairs, shape (B,).
        marginal: Logits of marginal pairs, shape (B, K).
    """
    return math.log(marginal.shape[1] + 1) - ratio_loss("nre_b", joint, marginal)
