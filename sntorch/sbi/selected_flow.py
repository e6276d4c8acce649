"""The likelihood of one selected supernova, learnt: p(d | z, φ, selected).

Boyd et al. (2024, arXiv:2407.15923) and FlowSN (Boyd et al. 2026, arXiv:2603.11165): a
conditional normalising flow is trained on supernovae that a simulated survey selected, and takes
the place of the intractable likelihood of each supernova in the hierarchical model. Cosmology
enters only by the mean brightness μ(z) + M0, so that the same flow serves any expansion history.
Deviations: a spline flow (Durkan et al. 2019) in place of their masked affine one, conditions
without the latent variables, which are integrated out, and supernovae simulated as training goes
on.

The logarithms of N supernovae are added, and so are their errors: a bias that is small against one
supernova's error grows as √N against that of the sample. Check it at the N that is asked for.

Letters in shapes: ``B`` surveys, ``N`` supernovae, ``C`` points θ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sntorch.errors import ConfigError
from sntorch.sbi.kept_density import KeptDensity
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary import PARAMETERS, SummaryData, SummarySurvey
from sntorch.sbi.summary_simulator import draw_prior, simulate
from sntorch.sbi.taking import taken

# A batch of supernovae: redshift (M,), data (M, 3) and θ (M, 5).
Supernovae = tuple[Tensor, Tensor, Tensor]
N_SCALING = 20_000


class SelectedFlow(KeptDensity):
    """ln p(d | z, θ, selected) of summarised supernovae by a neural spline flow.

    Args:
        survey: What is observed, or its settings; of it only the distances are used.
        transforms: Number of spline transforms.
        hidden: Width of the two hidden layers of each.
        bins: Number of bins of each spline.
        learning_rate: Largest of a one-cycle schedule.
        steps: Length of the schedule, in batches.
        prior: Of the θ that it is trained on, or its settings; None where that is not known.

    Attributes:
        config: All arguments in plain types.
        prior: Within which it has learnt the likelihood.
    """

    def __init__(
        self,
        survey: SummarySurvey | Mapping[str, Any],
        transforms: int = 3,
        hidden: int = 64,
        bins: int = 8,
        learning_rate: float = 3e-3,
        steps: int = 2_000,
        prior: BoxPrior | Mapping[str, Any] | None = None,
    ) -> None:
        # Conditions: z, mean brightness, alpha, beta and sigma_int; then m, x1 and c.
        super().__init__(3, 5, transforms, hidden, bins, learning_rate, steps)
        self.prior = None if prior is None else BoxPrior.of(prior)
        self.survey = SummarySurvey.of(survey)
        self.config = {
            "survey": self.survey.settings(),
            **self.network,
            "prior": None if self.prior is None else self.prior.settings(),
        }
        self.save_hyperparameters(self.config)

    def columns(self, *supernovae: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Conditions (..., 5), data (..., 3) with m from the mean brightness, ln of no change.

        Args:
            supernovae: z (...), data (..., 3) and θ (..., 5), which broadcast.
        """
        z, data, theta = supernovae
        om0, m0, alpha, beta, sigma_int = theta.unbind(-1)
        smooth = self.survey.distances.coefficients(om0) * self.survey.distances.basis(z)
        brightness = smooth.sum(-1) + 5 * torch.log10(z) + m0
        shape = torch.broadcast_shapes(brightness.shape, data.shape[:-1])
        conditions = torch.stack(
            [part.expand(shape) for part in (z, brightness, alpha, beta, sigma_int)], -1
        )
        residual = torch.stack(
            [(data[..., 0] - brightness).expand(shape)]
            + [data[..., k].expand(shape) for k in (1, 2)],
            -1,
        )
        return conditions, residual, residual.new_zeros(())


class SelectedSupernovae(IterableDataset[Supernovae]):
    """Batches of selected supernovae, each survey of a few with parameters of its own.

    Args:
        survey: What is observed.
        prior: Of θ.
        batch: Supernovae in a batch.
        steps: Number of batches.
        seed: Any integer; batches of other seeds have no number in common.
        each: Supernovae of one θ.
    """

    def __init__(
        self,
        survey: SummarySurvey,
        prior: BoxPrior,
        batch: int,
        steps: int,
        seed: int,
        each: int = 8,
    ) -> None:
        if batch < each or steps < 1:
            raise ConfigError(
                f"batches of {each} supernovae or more, and one of them at least, are accepted; "
                f"found {batch} and {steps}"
            )
        self.survey, self.prior, self.seed = survey, prior, seed
        self.surveys, self.each, self.steps = batch // each, each, steps

    def __iter__(self) -> Iterator[Supernovae]:
        for step in range(self.steps):
            first = step * self.surveys
            theta = draw_prior(self.prior, self.surveys, self.seed, first)
            data = simulate(self.survey, theta, self.each, self.seed, first)
            yield (
                data.redshift.flatten(),
                data.data.flatten(0, 1),
                theta.repeat_interleave(self.each, 0),
            )


def fit_selected_flow(
    survey: SummarySurvey,
    prior: BoxPrior,
    batch: int = 2_048,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    **flow: int | float,
) -> SelectedFlow:
    """Train a flow on supernovae simulated as it goes on; ready to be asked.

    Args:
        survey: What is observed.
        prior: Of θ.
        batch: Supernovae in a batch.
        seed: Of weights and supernovae.
        progress: Called with the fraction done, now and then.
        flow: Arguments of ``SelectedFlow``.
    """
    return SelectedFlow.fitted(
        seed,
        SelectedSupernovae(survey, prior, N_SCALING, 1, seed + 1),
        lambda steps: SelectedSupernovae(survey, prior, batch, steps, seed),
        progress,
        survey=survey,
        prior=prior,
        **flow,
    )


class FlowLikelihood:
    """Σ ln p(d | z, θ, selected) of B surveys at C points each.

    Args:
        flow: Trained.
        data: The surveys.
    """

    def __init__(self, flow: SelectedFlow, data: SummaryData) -> None:
        if not bool(data.mask.any(1).all()):
            raise ConfigError("a survey has no supernova: there is nothing to infer from")
        self.flow, self.data = flow, data

    def __len__(self) -> int:
        return len(self.data)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln p up to a constant, shape (B, C), of θ (B, C, 5)."""
        if theta.shape[-1] != len(PARAMETERS):
            raise ConfigError(f"theta: {', '.join(PARAMETERS)} are accepted")
        z, data = self.data.redshift[:, None], self.data.data[:, None]
        found = self.flow.log_prob(z, data, theta[..., None, :])
        return torch.where(self.data.mask[:, None], found, 0.0).sum(-1)

    def take(self, index: Tensor) -> Self:
        """That of the chosen surveys."""
        return taken(self, index, "data")
