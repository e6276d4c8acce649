"""Small classifiers that have seen their training objects, but were not trained."""

from __future__ import annotations

import torch

from sntorch.classification import ClassifierModule
from sntorch.simulation.testing import example_batch

NETWORK = {
    "_target_": "sntorch.classification.networks.transformer.Transformer",
    "width": 16,
    "n_layers": 1,
    "n_heads": 2,
    "dropout": 0.2,
}
BANDS = ("desg", "desr", "desi")


def labelled(n=12, bands=BANDS):
    """Light curves of two classes."""
    batch = example_batch(n=n, bands=bands)
    batch.classes = ("Ia", "II")
    batch.label[:] = torch.arange(n) % 2
    return batch


def small(seed=0, bands=BANDS, network=None, batch=None, host=(), **options):
    """A classifier fitted to the inputs of ``labelled``, in evaluation mode."""
    torch.manual_seed(seed)
    module = ClassifierModule({**NETWORK, **(network or {})}, **options)
    module.fit_inputs(labelled(bands=bands) if batch is None else batch, host)
    return module.eval()
