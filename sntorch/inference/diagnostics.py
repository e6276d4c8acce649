"""How far draws can be trusted: R-hat, effective sample sizes and Pareto k-hat, batched.

Vehtari et al. (2021, arXiv:1903.08008): rank-normalised split R-hat (eq. 14, the larger of bulk
and folded) and effective sample sizes of bulk and tail, with Geyer's (1992) initial monotone
sequence. Vehtari et al. (2024, arXiv:1507.02646): Pareto-smoothed importance sampling, with the
fit of Zhang & Stephens (2009) and the weakly informative prior on k (appendix C there).

Deviations: constant draws have no R-hat and no effective sample size (NaN), one chain is split
and so has an R-hat. All else agrees with ArviZ.

Letters in shapes: ``C`` chains, ``S`` draws of a chain; ``...`` are any batch dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Values worked on at once: the intermediate arrays then stay in the processor's cache.
CHUNK = 1 << 18
LEAST_DRAWS = 4
TAILS = (0.05, 0.95)
PRIOR_TAIL = 10
PRIOR_K = 0.5
LEAST_TAIL = 5


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Diagnostics of many quantities, each of shape (...)."""

    rhat: Tensor
    ess_bulk: Tensor
    ess_tail: Tensor


def diagnose(draws: Tensor) -> Diagnostics:
    """R-hat and both effective sample sizes, in one pass over the sorted draws.

    Args:
        draws: Shape (..., C, S).
    """
    parts = _chunked(_diagnose, draws)
    return Diagnostics(*parts.unbind(-1))


def rhat(draws: Tensor) -> Tensor:
    """Rank-normalised split R-hat, the larger of bulk and folded, shape (...).

    Args:
        draws: Shape (..., C, S); NaN results where there are fewer than four draws a chain, where
            all draws are equal, or where one is not finite.
    """
    return _chunked(lambda x: _rank_rhat(_split(x)), draws)


def ess_bulk(draws: Tensor) -> Tensor:
    """Effective sample size of the rank-normalised draws, shape (...); see ``rhat`` for NaN."""
    return _chunked(lambda x: _ess(_normal_scores(_split(x))), draws)


def ess_tail(draws: Tensor) -> Tensor:
    """The smaller effective sample size of the 5 % and 95 % quantiles, shape (...)."""
    return _chunked(lambda x: _tail(x, x.flatten(-2).sort(-1).values), draws)


def ess_mean(draws: Tensor) -> Tensor:
    """Effective sample size of the mean, shape (...)."""
    return _chunked(lambda x: _ess(_split(x)), draws)


def _chunked(statistic: Callable[[Tensor], Tensor], draws: Tensor) -> Tensor:
    """A statistic of (N, C, S) double-precision draws, a chunk at a time; NaN where undefined."""
    batch, (chains, length) = draws.shape[:-2], draws.shape[-2:]
    flat = draws.reshape(-1, chains, length)
    size = max(CHUNK // max(chains * length, 1), 1)
    parts = [_defined(statistic, x.double()) for x in flat.split(size)]
    result = torch.cat(parts)
    return result.reshape(batch + result.shape[1:])


def _defined(statistic: Callable[[Tensor], Tensor], draws: Tensor) -> Tensor:
    if not len(draws) or draws.shape[-1] < LEAST_DRAWS:
        shape = statistic(torch.randn(1, 1, LEAST_DRAWS).to(draws)).shape[1:]
        return draws.new_full((len(draws), *shape), torch.nan)
    flat = draws.flatten(-2)
    low, high = flat.aminmax(dim=-1)
    # A NaN or an infinity makes the spread NaN or infinite.
    good = torch.isfinite(high - low) & (high > low)
    result = statistic(torch.where(good[:, None, None], draws, 0.0))
    return torch.where(good.reshape(-1, *[1] * (result.ndim - 1)), result, torch.nan)


def _diagnose(draws: Tensor) -> Tensor:
    """R-hat, bulk and tail, shape (N, 3)."""
    split = _split(draws)
    ordered, order = split.flatten(-2).sort(-1)
    scores = _scores_of_sorted(ordered, order).view_as(split)
    folded = _normal_scores((split - _quantile(ordered, 0.5)[:, None, None]).abs())
    # An odd number of draws loses its middle one in the split.
    whole = ordered if draws.shape[-1] % 2 == 0 else draws.flatten(-2).sort(-1).values
    largest = torch.maximum(_plain_rhat(scores), _plain_rhat(folded))
    return torch.stack([largest, _ess(scores), _tail(draws, whole)], -1)


def _split(draws: Tensor) -> Tensor:
    """Halves of chains, shape (N, 2C, S // 2)."""
    half = draws.shape[-1] // 2
    return torch.cat([draws[..., :half], draws[..., -half:]], -2)


def _rank_rhat(split: Tensor) -> Tensor:
    median = _quantile(split.flatten(-2).sort(-1).values, 0.5)
    folded = (split - median[:, None, None]).abs()
    return torch.maximum(_plain_rhat(_normal_scores(split)), _plain_rhat(_normal_scores(folded)))


def _plain_rhat(draws: Tensor) -> Tensor:
    """R-hat of (N, C, S) as it stands."""
    n = draws.shape[-1]
    between = draws.mean(-1).var(-1)
    within = draws.var(-1).mean(-1)
    return torch.sqrt(between / within + (n - 1) / n)


def _normal_scores(draws: Tensor) -> Tensor:
    """Normal quantiles of the ranks over all chains, shape as ``draws``."""
    ordered, order = draws.flatten(-2).sort(-1)
    return _scores_of_sorted(ordered, order).view_as(draws)


def _scores_of_sorted(ordered: Tensor, order: Tensor) -> Tensor:
    """Normal scores, back in the order of the draws, with mean ranks for ties; shape (N, M)."""
    n = ordered.shape[-1]
    # Twice the rank is a whole number also for ties: a table replaces n evaluations a row.
    halves = torch.arange(2, 2 * n + 1, dtype=ordered.dtype, device=ordered.device) / 2
    table = torch.special.ndtri((halves - 0.375) / (n + 0.25))
    scores = table[::2].expand_as(ordered)
    new = ordered[:, 1:] != ordered[:, :-1]
    tied = ~new.all(-1)
    if tied.any():
        scores = scores.clone()
        scores[tied] = table[_twice_mean_place(new[tied])]
    return torch.empty_like(ordered).scatter_(-1, order, scores)


def _twice_mean_place(new: Tensor) -> Tensor:
    """Sum of first and last place of each sorted value's ties, shape (N, M).

    Args:
        new: Whether a value differs from the one before it, shape (N, M - 1).
    """
    n = new.shape[-1] + 1
    place = torch.arange(n, device=new.device).expand(len(new), n)
    edge = new.new_ones(len(new), 1)
    first = torch.where(torch.cat([edge, new], -1), place, 0).cummax(-1).values
    last = torch.where(torch.cat([new, edge], -1), place, n).flip(-1).cummin(-1).values.flip(-1)
    return first + last


def _quantile(ordered: Tensor, probability: float) -> Tensor:
    """Quantile (type 7) of sorted values (N, M), shape (N,)."""
    place = probability * (ordered.shape[-1] - 1)
    low = int(place)
    high = min(low + 1, ordered.shape[-1] - 1)
    if place == low + 0.5:
        # Both middle values are then at the same distance from it, bit by bit.
        return (ordered[:, low] + ordered[:, high]) / 2
    return torch.lerp(ordered[:, low], ordered[:, high], place - low)


def _tail(draws: Tensor, ordered: Tensor) -> Tensor:
    sizes = [
        _ess(_split((draws <= _quantile(ordered, p)[:, None, None]).to(draws.dtype)))
        for p in TAILS
    ]
    return torch.minimum(*sizes)


def _ess(draws: Tensor) -> Tensor:
    """Effective sample size of the mean of (N, C, S), shape (N,)."""
    chains, n = draws.shape[-2:]
    covariance = _autocovariance(draws)
    within = covariance[:, 0] * n / (n - 1)
    total = covariance[:, 0]
    if chains > 1:
        total = total + draws.mean(-1).var(-1)
    # Equal indicators (a tail of ties) are as good as independent ones.
    correlation = 1 - (within[:, None] - covariance) / total[:, None]
    correlation[:, 0] = 1.0
    time = _autocorrelation_time(correlation).clamp_min(1 / math.log10(chains * n))
    return chains * n / torch.where(total > 0, time, 1.0)


def _autocovariance(draws: Tensor) -> Tensor:
    """Autocovariance at every lag, averaged over the chains, shape (N, S)."""
    n = draws.shape[-1]
    length = 1 << (2 * n - 1).bit_length()
    spectrum = torch.fft.rfft(draws - draws.mean(-1, keepdim=True), n=length)
    power = (spectrum.real.square() + spectrum.imag.square()).mean(-2)
    return torch.fft.irfft(power, n=length)[..., :n] / n


def _autocorrelation_time(correlation: Tensor) -> Tensor:
    """Geyer's initial monotone sequence, shape (N,).

    Sums pairs of neighbouring lags as long as they are positive, each no larger than the one
    before; of the pair after them the even lag counts once, where it is positive.
    """
    n = correlation.shape[-1]
    pairs = correlation[:, : n // 2 * 2].unflatten(-1, (-1, 2)).sum(-1)
    most = max(-(-(n - 4) // 2), 0)
    place = torch.arange(pairs.shape[-1], device=pairs.device)
    ended = ~(pairs > 0) | (place >= most)
    last = ended.to(torch.int8).argmax(-1, keepdim=True)
    summed = torch.where(place < last, pairs.cummin(-1).values, 0.0).sum(-1)
    even = correlation.gather(-1, 2 * last).squeeze(-1)
    kept = (even > 0) | (pairs.gather(-1, last).squeeze(-1) >= 0)
    return -1 + 2 * summed + torch.where(kept, even, 0.0)


def psis_k_hat(log_ratios: Tensor) -> Tensor:
    """Shape k of the tail of importance ratios: above 0.7 the draws cannot be reweighted.

    Args:
        log_ratios: ln of target over proposal density (constants are free), shape (B, S).

    Returns:
        Shape (B,); infinite where the tail has fewer than five distinct draws or a ratio is NaN
        or +inf.
    """
    return _psis(log_ratios)[1]


def psis_weights(log_ratios: Tensor) -> Tensor:
    """Pareto-smoothed importance weights that sum to one, shape (B, S).

    Args:
        log_ratios: As in ``psis_k_hat``; a row with NaN or +inf has NaN weights.
    """
    return _psis(log_ratios)[0]


def _psis(log_ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised weights (B, S) and k-hat (B,)."""
    ratios = log_ratios.double()
    bad = (torch.isnan(ratios) | (ratios == torch.inf)).any(-1) | (ratios == -torch.inf).all(-1)
    ratios = torch.where(bad[:, None], 0.0, ratios)
    ratios = ratios - ratios.amax(-1, keepdim=True)
    size = ratios.shape[-1]
    n_tail = min(math.ceil(min(size / 5, 3 * math.sqrt(size))), size - 1)
    ordered, order = ratios.sort(-1)
    cut = ordered[:, -n_tail - 1, None].clamp_min(math.log(torch.finfo(ratios.dtype).tiny))
    tail = ordered[:, -n_tail:]
    inside = tail > cut
    k_hat, sigma = _fit_pareto(torch.where(inside, tail.exp() - cut.exp(), 0.0), inside)
    usable = inside.sum(-1) >= LEAST_TAIL
    smooth = torch.log(_pareto_quantiles(inside, k_hat, sigma) + cut.exp()).clamp_max(0.0)
    replaced = torch.where(inside & (usable & torch.isfinite(k_hat))[:, None], smooth, tail)
    ordered = torch.cat([ordered[:, :-n_tail], replaced], -1)
    weights = torch.empty_like(ordered).scatter_(-1, order, ordered.softmax(-1))
    k_hat = torch.where(usable & ~bad, k_hat, torch.inf)
    return torch.where(bad[:, None], torch.nan, weights), k_hat


def _fit_pareto(tail: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Shape and scale of generalised Pareto distributions (Zhang & Stephens 2009), each (B,).

    Args:
        tail: Exceedances in increasing order, shape (B, M); the first of a row may be unused.
        inside: Which are used, shape (B, M).
    """
    most = tail.shape[-1]
    n = inside.sum(-1, keepdim=True)
    quartile = (most - n + (n / 4 + 0.5).long() - 1).clamp(0, most - 1)
    n_points = 30 + n.double().sqrt().long()
    point = torch.arange(1, 30 + math.isqrt(most) + 1, dtype=tail.dtype, device=tail.device)
    grid = 1 - torch.sqrt(n_points / (point - 0.5))
    grid = grid / (3 * tail.gather(-1, quartile)) + 1 / tail[:, -1:]
    shapes = torch.stack([_mean_log(b, tail, inside) for b in grid.unbind(-1)], -1)
    likelihood = n * (torch.log(-grid / shapes) - shapes - 1)
    likelihood = torch.where(point <= n_points, likelihood, -torch.inf)
    weights = likelihood.softmax(-1)
    negligible = weights < 10 * torch.finfo(weights.dtype).eps
    weights = torch.where(negligible, 0.0, weights)
    best = torch.where(negligible, 0.0, grid * weights).sum(-1) / weights.sum(-1)
    shape = _mean_log(best, tail, inside)
    n = n.squeeze(-1)
    return (n * shape + PRIOR_TAIL * PRIOR_K) / (n + PRIOR_TAIL), -shape / best


def _mean_log(b: Tensor, tail: Tensor, inside: Tensor) -> Tensor:
    """Mean of ln(1 - b x) over the used exceedances, shape (B,)."""
    terms = torch.where(inside, torch.log1p(-b[:, None] * tail), 0.0)
    return terms.sum(-1) / inside.sum(-1)


def _pareto_quantiles(inside: Tensor, shape: Tensor, sigma: Tensor) -> Tensor:
    """Expected order statistics of the used exceedances, shape (B, M)."""
    place = inside.cumsum(-1).to(shape.dtype) - 0.5
    exponent = -torch.log1p(-place / inside.sum(-1, keepdim=True))
    exponent = torch.where(inside, exponent, 0.0)
    flat = shape.abs()[:, None] < torch.finfo(shape.dtype).eps
    bent = torch.expm1(shape[:, None] * exponent) / torch.where(flat, 1.0, shape[:, None])
    return sigma[:, None] * torch.where(flat, exponent, bent)
