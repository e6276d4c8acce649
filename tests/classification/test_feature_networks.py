from sntorch.classification.networks.features import FeatureFusion, FeaturePerceptron
from sntorch.testing import ClassifierNetworkContract

CURVES = {
    "_target_": "sntorch.classification.networks.transformer.Transformer",
    "width": 16,
    "n_layers": 1,
    "n_heads": 2,
}


class TestFeaturePerceptron(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return FeaturePerceptron(bands, n_classes, n_context, width=16)


class TestFeatureFusion(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return FeatureFusion(bands, n_classes, n_context, CURVES, n_embedding=8, width=16)
