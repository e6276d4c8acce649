from sntorch.classification.networks.rapid import RAPID
from sntorch.testing import ClassifierNetworkContract


class TestRecurrent(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return RAPID(bands, n_classes, n_context, n_hidden=8)


class TestConvolutional(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return RAPID(bands, n_classes, n_context, core="tcn", n_hidden=8)
