from sntorch.classification.networks.transformer import CausalTransformer, Transformer
from sntorch.testing import ClassifierNetworkContract

SMALL = {"width": 16, "n_layers": 1, "n_heads": 2}


class TestTransformer(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return Transformer(bands, n_classes, n_context, **SMALL)


class TestCausalTransformer(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return CausalTransformer(bands, n_classes, n_context, **SMALL)
