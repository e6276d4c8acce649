"""Two samples in one plane, to look for gaps and for objects where no real one is."""

from __future__ import annotations

import numpy as np

from sntorch.generative.evaluate.distances import Array
from sntorch.generative.evaluate.memorisation import Whitening

PERPLEXITY = 30.0
FEWEST = 10


def embed(
    first: dict[str, Array], second: dict[str, Array], seed: int = 0, most: int = 600
) -> tuple[Array, Array] | None:
    """t-SNE (van der Maaten & Hinton 2008) of the features of both samples together.

    Args:
        first: Features, name -> shape (N,); they are whitened by their own spread.
        second: Features of the other sample, shape (M,) each.
        seed: Seed of the choice of objects and of the embedding.
        most: Objects of each sample at most.

    Returns:
        Coordinates of both, shape (n, 2) each; None for fewer than 10 objects together.
    """
    from sklearn.manifold import TSNE

    whiten = Whitening(first)
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(whiten(features))[:most] for features in (first, second)]
    together = np.concatenate(parts)
    if len(together) < FEWEST or not whiten.names:
        return None
    perplexity = min(PERPLEXITY, (len(together) - 1) / 3)
    plane = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(together)
    return plane[: len(parts[0])].astype(float), plane[len(parts[0]) :].astype(float)
