"""Training on mixtures of two objects."""

import pytest
import torch
from small_classifiers import labelled, small

from sntorch.classification import ClassifierModule
from sntorch.classification.losses import CrossEntropy
from sntorch.classification.mixing import check_mixing, mixed
from sntorch.classification.networks.features import FeaturePerceptron
from sntorch.classification.networks.rapid import RAPID
from sntorch.errors import ConfigError

CONTEXT = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))


def mixture(seed=0, strength=0.5):
    return mixed(CONTEXT, strength, torch.Generator().manual_seed(seed))


def test_contexts_lie_between_two_objects():
    found = mixture()
    assert 0 < found.share < 1
    assert sorted(found.partner.tolist()) == list(range(40))
    expected = found.share * CONTEXT + (1 - found.share) * CONTEXT[found.partner]
    torch.testing.assert_close(found.context, expected)


def test_seeds_say_all():
    torch.testing.assert_close(mixture(3).context, mixture(3).context, atol=0, rtol=0)
    assert mixture(3).share != mixture(4).share


def test_shares_follow_the_beta_distribution():
    shares = torch.tensor([mixture(seed, 0.3).share for seed in range(1_000)])
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(shares.var()) == pytest.approx(1 / 4 / (2 * 0.3 + 1), rel=0.1)


def test_the_loss_counts_both_classes_by_their_shares():
    found, loss = mixture(), CrossEntropy(("Ia", "II"))
    label = torch.arange(40) % 2
    logits = torch.randn(40, 2, generator=torch.Generator().manual_seed(2))
    one_hot = torch.eye(2)
    target = found.share * one_hot[label] + (1 - found.share) * one_hot[label[found.partner]]
    expected = -(target * logits.log_softmax(-1)).sum(1).mean()
    torch.testing.assert_close(found.loss(loss, logits, label), expected)


def test_light_curves_are_not_mixed():
    check_mixing(RAPID, 0.0)
    check_mixing(FeaturePerceptron, 0.3)
    with pytest.raises(ConfigError, match=r"mixup=0\.3 with RAPID: 0 is accepted"):
        check_mixing(RAPID, 0.3)
    with pytest.raises(ConfigError, match="mixup=-1"):
        check_mixing(FeaturePerceptron, -1.0)


def test_a_module_trains_on_mixtures():
    network = {"_target_": f"{FeaturePerceptron.__module__}.FeaturePerceptron", "width": 8}
    module = ClassifierModule(network, context=["mwebv"], mixup=1.0)
    batch = labelled()
    batch.mwebv[:] = torch.linspace(0, 1, len(batch))
    module.fit_inputs(batch)
    module.network.layers.eval()
    generator = torch.Generator().manual_seed(module._noise_seed())
    torch.rand(len(batch), generator=generator)
    expected = mixed(module.context(batch), 1.0, generator)
    logits = module.network(batch, expected.context)
    found = module.training_step(batch, 1)
    torch.testing.assert_close(found, expected.loss(module.loss, logits, batch.label))
    plain = module.loss(module.network(batch, module.context(batch)), batch.label)
    assert abs(found.item() - plain.item()) > 1e-3


def test_a_module_of_light_curves_does_not():
    with pytest.raises(ConfigError, match=r"mixup=0\.2 with Transformer"):
        small(mixup=0.2)
