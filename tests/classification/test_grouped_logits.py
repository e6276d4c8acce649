"""Groups of similar length on threads give the logits of the whole batch at once."""

import pytest
import torch

from sntorch.classification.base import StepNetwork
from sntorch.classification.networks.rapid import RAPID, RecurrentCore
from sntorch.classification.networks.supernnova import SuperNNova
from sntorch.classification.networks.transformer import CausalTransformer, Transformer
from sntorch.nn import groups
from sntorch.simulation.testing import example_batch

BANDS = ("desg", "desr", "desi")
ATTENTION = {"width": 16, "n_layers": 1, "n_heads": 2}
NETWORKS = {
    SuperNNova: {"n_hidden": 8},
    RAPID: {"n_hidden": 8},
    Transformer: ATTENTION,
    CausalTransformer: ATTENTION,
}


def test_steps_that_are_alike_are_made_once():
    torch.manual_seed(0)
    core = RecurrentCore(3, 5, 2, 0.2).eval()
    x = torch.randn(4, 9, 3)
    alike = torch.cat([x[:1, :6].expand(4, -1, -1), x[:, 6:]], dim=1)
    mask = torch.ones(4, 9, dtype=torch.bool)
    read: list[tuple[int, ...]] = []
    for layer in core.layers:
        layer.register_forward_pre_hook(lambda _, given: read.append(tuple(given[0].shape[:2])))
    together = core(alike, mask)
    assert read == [(1, 6), (4, 3)] * 2
    for i in range(4):
        alone = core(torch.cat([alike[i : i + 1], x[:1]]), mask[:2])[:1]
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", NETWORKS)
def test_groups_change_no_logits(monkeypatch, kind):
    torch.manual_seed(0)
    whole = example_batch(n=9, bands=BANDS)
    # All lengths from none on.
    step = torch.arange(whole.time.shape[1])
    batch = whole.where(step < 3 * torch.arange(9)[:, None])
    network = kind(BANDS, 3, 1, **NETWORKS[kind]).eval()
    network.fit_inputs(batch)
    context = torch.randn(len(batch), 1)
    at_once = network(batch, context)
    monkeypatch.setattr(groups, "GROUP", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            torch.testing.assert_close(network(batch, context), at_once, rtol=1e-5, atol=1e-6)
    finally:
        torch.set_num_threads(before)
    if isinstance(network, StepNetwork):
        steps = network.steps(batch, context)
        with torch.no_grad():
            again = network.steps(batch, context)
        assert torch.equal(again.mask, steps.mask)
        known, found = (each.logits[each.mask] for each in (steps, again))
        torch.testing.assert_close(found, known, rtol=1e-5, atol=1e-6)
