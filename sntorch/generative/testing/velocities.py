"""The contract of the networks of a flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from sntorch.nn.testing import assert_every_gradient, reloaded


class VelocityNetworkContract(ABC):
    """What a network needs to serve as velocity of ``FlowMatching``.

    ``make`` returns the network for the sizes that ``FlowMatching`` passes by name.
    """

    sizes: ClassVar[dict[str, int]] = {
        "n_bands": 3,
        "n_state": 3,
        "n_features": 4,
        "n_condition": 2,
    }

    @abstractmethod
    def make(self, **sizes: int) -> nn.Module:
        """The network."""

    def test_one_velocity_a_token(self) -> None:
        """Shape (B, T, D), finite, zero where masked; objects without tokens too."""
        inputs = self._inputs()
        found = self.make(**self.sizes)(*inputs)
        assert found.shape == (5, 6, self.sizes["n_state"])
        assert bool(found.isfinite().all())
        assert not bool(found[~inputs[4]].any())

    def test_gradient_reaches_every_parameter(self) -> None:
        """No parameter is left out."""
        network = self.make(**self.sizes)
        network(*self._inputs()).square().sum().backward()
        assert_every_gradient(network)

    def test_padding_does_not_change_the_velocity(self) -> None:
        """Neither its length nor what stands in it."""
        network = self.make(**self.sizes).eval()
        short = network(*self._inputs())
        long = network(*self._inputs(n_tokens=11, junk=7.0))
        torch.testing.assert_close(long[:, :6], short)

    def test_order_of_tokens_does_not_matter(self) -> None:
        """A permutation of the tokens permutes the velocities."""
        network = self.make(**self.sizes).eval()
        state, s, features, band, mask, condition = self._inputs()
        order = torch.randperm(6)
        turned = [part[:, order] for part in (state, features, band, mask)]
        found = network(turned[0], s, *turned[1:], condition)
        torch.testing.assert_close(
            found, network(state, s, features, band, mask, condition)[:, order]
        )

    def test_flow_time_and_condition_matter(self) -> None:
        """Other flow times and other conditions give other velocities."""
        network = self.make(**self.sizes).eval()
        inputs = self._inputs()
        before = network(*inputs)
        for place in (1, 5):
            changed = [part + 0.3 if k == place else part for k, part in enumerate(inputs)]
            assert not torch.allclose(network(*changed), before)

    def test_saved_weights_give_the_same_velocity(self) -> None:
        """state_dict carries everything."""
        network = self.make(**self.sizes).eval()
        again = reloaded(network, self.make(**self.sizes)).eval()
        assert torch.equal(network(*self._inputs()), again(*self._inputs()))

    def _inputs(self, n_tokens: int = 6, junk: float = 0.0) -> tuple[Tensor, ...]:
        sizes, generator = self.sizes, torch.Generator().manual_seed(0)
        mask = torch.arange(n_tokens) < torch.tensor([6, 4, 1, 5, 0])[:, None]

        def tokens(n: int) -> Tensor:
            values = torch.randn(5, 6, n, generator=generator)
            longer = torch.nn.functional.pad(values, (0, 0, 0, n_tokens - 6))
            return torch.where(mask[..., None], longer, junk)

        state, features = tokens(sizes["n_state"]), tokens(sizes["n_features"])
        band = torch.where(mask, torch.arange(n_tokens) % sizes["n_bands"], 0)
        s = torch.rand(5, generator=generator)
        condition = torch.randn(5, sizes["n_condition"], generator=generator)
        return state, s, features, band, mask, condition
