"""The contracts of the two networks of a GAN."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sntorch.generative.encoding import RowEncoding
from sntorch.generative.lengths import mask_from_counts
from sntorch.nn.rnn import twice_differentiable
from sntorch.nn.testing import assert_every_gradient, reloaded


class GeneratorNetworkContract(ABC):
    """What a network needs to serve as generator of ``LightCurveGAN``.

    ``make`` returns the network for ``n_bands`` bands and ``n_condition`` numbers of an encoded
    condition, ``make_encoding`` a fitted encoding of as many bands. A network without conditions
    sets ``n_condition = 0``.
    """

    n_bands, n_condition = 3, 2

    @abstractmethod
    def make(self, n_bands: int, n_condition: int) -> nn.Module:
        """The network."""

    @abstractmethod
    def make_encoding(self, n_bands: int) -> RowEncoding:
        """A fitted encoding."""

    def test_rows_have_three_columns_a_band(self) -> None:
        """Shape (B, L, 3F), finite."""
        rows, _ = self._run(self.make(self.n_bands, self.n_condition))
        assert rows.shape == (5, 6, 3 * self.n_bands)
        assert bool(rows.isfinite().all())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(self.n_bands, self.n_condition)
        rows, mask = self._run(network)
        (rows * mask.repeat(1, 1, 3)).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_rows(self) -> None:
        """Longer padding gives the same rows where there are observations."""
        network = self.make(self.n_bands, self.n_condition).eval()
        short, mask = self._run(network)
        long, _ = self._run(network, n_steps=11)
        torch.testing.assert_close(short[mask.repeat(1, 1, 3)], long[:, :6][mask.repeat(1, 1, 3)])

    def test_saved_weights_give_the_same_rows(self) -> None:
        """state_dict carries everything."""
        network = self.make(self.n_bands, self.n_condition).eval()
        again = reloaded(network, self.make(self.n_bands, self.n_condition)).eval()
        assert torch.equal(self._run(network)[0], self._run(again)[0])

    def test_the_condition_matters(self) -> None:
        """Another condition gives other rows, and none is accepted where there are none."""
        if self.n_condition:
            network = self.make(self.n_bands, self.n_condition).eval()
            assert not torch.allclose(self._run(network)[0], self._run(network, shift=0.5)[0])
        assert bool(self._run(self.make(self.n_bands, 0), n_condition=0)[0].isfinite().all())

    def _run(
        self,
        network: nn.Module,
        n_steps: int = 6,
        shift: float = 0.0,
        n_condition: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        z = torch.randn(5, network.n_latent)  # pyright: ignore[reportArgumentType, reportCallIssue]
        noise = torch.randn(5, 11, network.n_step_noise)  # pyright: ignore[reportArgumentType, reportCallIssue]
        mask = mask_from_counts(example_counts(5, self.n_bands), n_steps)
        condition = example_condition(
            5, self.n_condition if n_condition is None else n_condition, shift
        )
        encoding = self.make_encoding(self.n_bands)
        return network(z, noise[:, :n_steps], mask, encoding, condition=condition), mask


class CriticNetworkContract(ABC):
    """What a network needs to serve as critic of ``LightCurveGAN``; see
    ``GeneratorNetworkContract``.
    """

    n_bands, n_condition = 3, 2

    @abstractmethod
    def make(self, n_bands: int, n_condition: int) -> nn.Module:
        """The network."""

    @abstractmethod
    def make_encoding(self, n_bands: int) -> RowEncoding:
        """A fitted encoding."""

    def test_one_score_an_object(self) -> None:
        """Shape (B,), finite."""
        scores = self._run(self.make(self.n_bands, self.n_condition))
        assert scores.shape == (5,)
        assert bool(scores.isfinite().all())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(self.n_bands, self.n_condition)
        self._run(network).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_score(self) -> None:
        """Neither its length nor what stands in it."""
        network = self.make(self.n_bands, self.n_condition).eval()
        torch.testing.assert_close(self._run(network), self._run(network, n_steps=11, junk=7.0))

    def test_has_a_second_derivative(self) -> None:
        """A gradient penalty can be trained."""
        network = self.make(self.n_bands, self.n_condition)
        x, mask = self._rows(6, 0.0)
        x.requires_grad_()
        condition = example_condition(5, self.n_condition)
        encoding = self.make_encoding(self.n_bands)
        with twice_differentiable(x.device):
            scores = network(x, mask, encoding, condition)
        (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
        slope.square().sum().backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())

    def test_the_condition_matters(self) -> None:
        """Another condition gives other scores, and none is accepted where there are none."""
        if self.n_condition:
            network = self.make(self.n_bands, self.n_condition).eval()
            assert not torch.allclose(self._run(network), self._run(network, shift=0.5))
        encoding = self.make_encoding(self.n_bands)
        assert self.make(self.n_bands, 0)(*self._rows(6, 0.0), encoding).shape == (5,)

    def _rows(self, n_steps: int, junk: float) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)
        mask = mask_from_counts(example_counts(5, self.n_bands), n_steps)
        x = torch.randn(5, 11, 3 * self.n_bands)[:, :n_steps]
        return torch.where(mask.repeat(1, 1, 3), x, junk), mask

    def _run(
        self, network: nn.Module, n_steps: int = 6, junk: float = 0.0, shift: float = 0.0
    ) -> Tensor:
        condition = example_condition(5, self.n_condition, shift)
        return network(*self._rows(n_steps, junk), self.make_encoding(self.n_bands), condition)


def example_counts(n: int, n_bands: int) -> Tensor:
    """Unequal numbers of observations, between 2 and 6, shape (n, n_bands)."""
    return 2 + (torch.arange(n)[:, None] * 3 + 2 * torch.arange(n_bands)) % 5


def example_condition(n: int, n_condition: int, shift: float = 0.0) -> Tensor | None:
    """Codes of a condition, moved by ``shift``, shape (n, n_condition); None for no numbers."""
    generator = torch.Generator().manual_seed(1)
    codes = torch.randn(n, n_condition, generator=generator)
    return codes + shift if n_condition else None
