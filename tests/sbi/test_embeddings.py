"""Set embeddings: permutations and masked supernovae change nothing, gradients reach everything."""

from dataclasses import replace

import pytest
import torch

from sntorch.errors import DataError
from sntorch.sbi import SummarySimulator, SummarySurvey
from sntorch.sbi.embeddings import DeepSet, SetAttention
from sntorch.sbi.encoders import SummaryEncoder, n_products, products
from sntorch.sbi.summary import FIDUCIAL, FLOWSN


class Raw(torch.nn.Module):
    """An encoder of the user's own."""

    n_outputs = 3

    def forward(self, x):
        return x.data.float() / 20


@pytest.fixture(scope="module")
def surveys():
    return SummarySimulator(n=(5, 12), seed=3)(0, 6)[1]


@pytest.fixture(
    params=[DeepSet, SetAttention, lambda: DeepSet(Raw()), lambda: SetAttention(Raw())]
)
def embedding(request):
    torch.manual_seed(0)
    return request.param()


def test_shape(embedding, surveys):
    assert embedding(surveys).shape == (6, embedding.n_outputs)
    assert embedding(surveys).dtype == torch.float32


def test_order_means_nothing(embedding, surveys):
    order = torch.randperm(surveys.mask.shape[1], generator=torch.Generator().manual_seed(1))
    mixed = replace(
        surveys,
        redshift=surveys.redshift[:, order],
        data=surveys.data[:, order],
        mask=surveys.mask[:, order],
    )
    torch.testing.assert_close(embedding(mixed), embedding(surveys), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e9])
def test_masked_supernovae_change_nothing(embedding, surveys, poison):
    assert not bool(surveys.mask.all())
    bad = replace(
        surveys,
        redshift=torch.where(surveys.mask, surveys.redshift, poison),
        data=torch.where(surveys.mask[..., None], surveys.data, poison),
    )
    torch.testing.assert_close(embedding(bad), embedding(surveys))
    embedding(bad).square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in embedding.parameters())


def test_padding_changes_nothing(embedding, surveys):
    width = int(surveys.mask[:1].sum())
    short = replace(
        surveys.take(slice(0, 1)),
        redshift=surveys.redshift[:1, :width],
        data=surveys.data[:1, :width],
        mask=surveys.mask[:1, :width],
    )
    torch.testing.assert_close(embedding(short), embedding(surveys)[:1], rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_every_parameter(embedding, surveys):
    embedding(surveys).square().sum().backward()
    for name, parameter in embedding.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


def test_the_number_of_supernovae_is_seen(embedding, surveys):
    """The same supernovae twice: means are the same, the information is not."""
    twice = replace(
        surveys,
        **{f: torch.cat([getattr(surveys, f)] * 2, 1) for f in ("redshift", "data", "mask")},
    )
    with torch.no_grad():
        assert float((embedding(twice) - embedding(surveys)).abs().max()) > 1e-3


def test_an_empty_survey_is_refused(embedding, surveys):
    with pytest.raises(DataError, match="a survey has no supernova"):
        embedding(replace(surveys, mask=surveys.mask & False))


def test_whitened_means_are_uncorrelated():
    surveys = SummarySimulator(n=30, seed=1)(0, 300)[1]
    embedding = DeepSet()
    embedding.prepare(surveys)
    encoded = embedding.encoder(surveys)
    pooling, n = embedding.pooling, encoded.shape[-1]
    mean = (encoded.mean(1) - pooling.shift[:n]) @ pooling.whitener[:n, :n]
    torch.testing.assert_close(mean.T.cov(), torch.eye(n), atol=0.02, rtol=0)


def test_residuals_vanish_on_the_fiducial_relation():
    """A supernova on Tripp's relation of the fiducial universe has no residual, whatever its z."""
    survey = SummarySurvey()
    om0, m0, alpha, beta, _ = FIDUCIAL
    z = torch.linspace(0.1, 0.7, 5, dtype=torch.float64)[None]
    x1, c = torch.randn(2, 1, 5, dtype=torch.float64)
    mu = survey.distances.of_many(z[0], torch.tensor([om0]).double(), torch.zeros(5).long())
    data = torch.stack([mu[None] + m0 - alpha * x1 + beta * c, x1, c], -1)
    batch = SummarySimulator(n=5)(0, 1)[1]
    batch = replace(batch, redshift=z, data=data)
    encoder = SummaryEncoder(survey, terms=2)
    features = encoder(batch)
    assert features.shape == (1, 5, encoder.n_outputs)
    # The first is the redshift itself; then each with and without it.
    torch.testing.assert_close(features[..., 1:3], torch.zeros(1, 5, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(features[..., 3], x1.float())
    torch.testing.assert_close(features[..., 4], x1.float() * features[..., 0])


def test_an_encoder_is_made_of_plain_settings():
    """As a checkpoint or a config holds them."""
    noise = [[0.03, 0.12], [0.15, 0.9], [0.02, 0.04]]
    made = SummaryEncoder({"_target_": "ignored", "z_high": 1.1, "noise": noise})
    assert made.survey == SummarySurvey(z_high=1.1)
    assert SummaryEncoder(FLOWSN).survey is FLOWSN


def test_products():
    x = torch.tensor([2.0, 3.0])
    torch.testing.assert_close(products(x), torch.tensor([2.0, 3.0, 4.0, 6.0, 9.0]))
    assert n_products(2) == 5
