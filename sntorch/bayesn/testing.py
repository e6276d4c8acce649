"""Contract of a population of dust: inherit it in your tests and give it your object.

Example:
    class TestMine(DustPopulationContract):
        def make(self):
            return Mine()
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import biject_to

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.populations import Conditions, Population
from sntorch.bayesn.surfaces import FixedSED
from sntorch.bayesn.training_sample import TrainingSample, distance_error
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
CHAINS = 3
SUPERNOVAE = 5


class DustPopulationContract(ABC):
    """What every ``Population`` of ``bayesn.populations`` does.

    ``make`` returns the population; the supernovae come from ``example_training_sample``.
    """

    @abstractmethod
    def make(self) -> Population:
        """The population."""

    def test_conditions_have_a_value_for_every_supernova_or_one_for_all(self) -> None:
        """Shapes (S,) or (1,) from Pyro's values, (C, S) or (C, 1) from those of C chains."""
        _, joint = self._density()
        free = self._points(joint)
        for values, chains in ((free[0], ()), (free, (CHAINS,))):
            for name, value in _tensors(self._conditions(values)).items():
                if name in ("w0_shift", "group"):
                    continue
                assert value.shape[:-1] in ((), chains), name
                assert value.shape[-1] in (1, SUPERNOVAE), name

    def test_conditions_say_what_rv_follows(self) -> None:
        """R_V of all hosts, or a population of it, and positive widths."""
        _, joint = self._density()
        c = self._conditions(self._points(joint))
        assert (c.rv is None) != (c.mu_r is None)
        assert (c.mu_r is None) == (c.sigma_r is None)
        assert (c.w0_shift is None) == (c.group is None)
        for value in (c.tau_a, c.sigma0, c.sigma_r):
            assert value is None or bool((value > 0).all())

    def test_density_is_finite(self) -> None:
        """Of every chain, with a gradient."""
        density, joint = self._density()
        z = self._all_points(joint)
        value, gradient = density.value_and_gradient(z)
        assert value.shape == (1, CHAINS)
        assert gradient.shape == z.shape
        assert bool(value.isfinite().all() and gradient.isfinite().all())

    def test_a_gradient_reaches_every_parameter(self) -> None:
        """Each changes what supernovae follow, or the prior of another parameter."""
        _, joint = self._density()
        for name, slope in self._influence(self._points(joint)).items():
            assert bool(slope.isfinite().all()), name
            assert bool((slope != 0).all()), f"{name} changes nothing"

    def test_chains_do_not_disturb_each_other(self) -> None:
        """A chain has the same density alone and among others: ``each`` where it is needed."""
        density, joint = self._density()
        z = self._all_points(joint)
        value, gradient = density.value_and_gradient(z)
        for c in range(CHAINS):
            alone = density.value_and_gradient(z[:, c : c + 1])
            torch.testing.assert_close(alone[0], value[:, c : c + 1], rtol=1e-10, atol=0)
            torch.testing.assert_close(alone[1], gradient[:, c : c + 1])

    def test_not_a_number_harms_no_other_chain(self) -> None:
        """A trajectory that diverges ends; the others go on."""
        density, joint = self._density()
        z = self._all_points(joint)
        value, gradient = density.value_and_gradient(z)
        others = torch.arange(CHAINS) != 1
        for bad in (torch.nan, torch.inf, 1e4, -1e4):
            spoiled = z.clone()
            spoiled[:, 1, : joint.n_shared] = bad
            found = density.value_and_gradient(spoiled)
            torch.testing.assert_close(found[0][:, others], value[:, others], rtol=1e-10, atol=0)
            torch.testing.assert_close(found[1][:, others], gradient[:, others])

    def test_supernovae_keep_their_conditions_in_any_block(self) -> None:
        """Done one by one they have the same density as together."""
        density, joint = self._density()
        one_by_one, _ = self._density(block=CHAINS)
        z = self._all_points(joint)
        value, gradient = density.value_and_gradient(z)
        again = one_by_one.value_and_gradient(z)
        torch.testing.assert_close(again[0], value, rtol=1e-12, atol=0)
        torch.testing.assert_close(again[1], gradient, rtol=1e-8, atol=1e-8)

    def test_density_is_that_of_the_pyro_model(self) -> None:
        """One definition serves both."""
        density, joint = self._density()
        z = self._all_points(joint)[0]
        value, _ = density.value_and_gradient(z[None])
        for c in range(CHAINS):
            wanted = pyro_log_density(joint.model, named_variables(joint, z[c]))
            torch.testing.assert_close(value[0, c], wanted, rtol=1e-10, atol=0)

    def test_a_seed_gives_the_same_draws(self) -> None:
        """Draws of the prior: finite, the same again, and other ones for another seed."""
        model = self._model()
        first, again, other = (self._draw(model, seed) for seed in (1, 1, 2))
        assert first
        for name, value in first.items():
            assert bool(value.isfinite().all()), name
            assert torch.equal(value, again[name]), name
            assert not torch.equal(value, other[name]), name

    def test_coordinates_lead_there_and_back(self) -> None:
        """Supernovae's whitened variables, at every chain's population."""
        density, joint = self._density()
        phi, own = density.split(self._all_points(joint)[0])
        x = density.unwhiten(phi, own)
        torch.testing.assert_close(density.whiten(phi, x), own, rtol=1e-7, atol=1e-7)

    def test_shows_its_settings(self) -> None:
        """For the report of a training."""
        assert repr(self.make()).startswith(type(self.make()).__name__ + "(")

    def _model(self) -> HierarchicalModel:
        sample, sed = example_training_sample()
        return HierarchicalModel(sample, FixedSED(sed), self.make())

    def _density(self, **how: Any) -> tuple[HierarchicalDensity, JointDensity]:
        joint = JointDensity(self._model(), **how)
        return HierarchicalDensity(joint), joint

    def _points(self, joint: JointDensity) -> Tensor:
        """Unconstrained shared variables of C chains, shape (C, G)."""
        return 0.5 * _normal(CHAINS, joint.n_shared, seed=1)

    def _all_points(self, joint: JointDensity) -> Tensor:
        """Unconstrained variables near the expected distances, shape (1, C, D)."""
        own = 0.3 * _normal(joint.size, CHAINS, joint.n_own, seed=2)
        own[..., -1] += joint.model.sample.observations.muhat[:, None]
        return HierarchicalDensity(joint).joined(self._points(joint), own)[None]

    def _conditions(self, free: Tensor) -> Conditions:
        model = self._model()
        read = _Reader(free, JointDensity(model))
        return model.population(read, model.sample)

    def _influence(self, free: Tensor) -> dict[str, Tensor]:
        model = self._model()
        read = _Reader(free, JointDensity(model))
        c = model.population(read, model.sample)
        numbers = [v for v in _tensors(c).values() if v.is_floating_point()]
        reached = sum((_weighted(v) for v in numbers), torch.zeros(()).double())
        found = {}
        for name, leaf in read.leaves.items():
            others = [p for other, p in read.log_priors.items() if other != name]
            total = sum(others, reached)
            (slope,) = torch.autograd.grad(total, leaf, retain_graph=True, allow_unused=True)
            found[name] = torch.zeros_like(leaf) if slope is None else slope
        return found

    def _draw(self, model: HierarchicalModel, seed: int) -> dict[str, Tensor]:
        pyro.set_rng_seed(seed)
        found: dict[str, Tensor] = {}

        def draw(name: str, prior: Any) -> Tensor:
            found[name] = pyro.sample(name, prior)
            return found[name]

        model.population(draw, model.sample)
        return found


class _Reader:
    """Stands in for ``pyro.sample``: values from unconstrained variables (..., G)."""

    def __init__(self, free: Tensor, joint: JointDensity) -> None:
        pieces = free.split([site.size for site in joint.sites.values()], -1)
        self.leaves = {
            name: piece.reshape((*free.shape[:-1], *site.shape)).clone().requires_grad_()
            for (name, site), piece in zip(joint.sites.items(), pieces, strict=True)
        }
        self.log_priors: dict[str, Tensor] = {}

    def __call__(self, name: str, prior: Any) -> Tensor:
        value = biject_to(prior.support)(self.leaves[name])
        self.log_priors[name] = prior.log_prob(value).sum()
        return value


class _Unconstrained(Messenger):
    """Gives latent sites the values of unconstrained variables, and adds up the Jacobians."""

    def __init__(self, variables: dict[str, Tensor]) -> None:
        super().__init__()
        self.variables, self.jacobian = variables, torch.zeros(()).double()

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or msg["name"] not in self.variables:
            return
        transform, free = biject_to(msg["fn"].support), self.variables[msg["name"]]
        msg["value"] = transform(free)
        self.jacobian = self.jacobian + transform.log_abs_det_jacobian(free, msg["value"]).sum()


def pyro_log_density(model: Callable[[], Any], variables: dict[str, Tensor]) -> Tensor:
    """ln p of a Pyro model at unconstrained variables, Jacobians included; differentiable.

    Pyro's own ``initialize_model`` takes every site's support from one draw of the prior, which is
    wrong where it depends on other parameters.

    Args:
        model: Without arguments.
        variables: Of every latent site, by name.

    Raises:
        KeyError: A latent site without a value.
    """
    place = _Unconstrained(variables)
    with place:
        trace = poutine.trace(model).get_trace()
    sites = (n for n in trace.stochastic_nodes if not site_is_subsample(trace.nodes[n]))
    if missing := set(sites) - variables.keys():
        raise KeyError(f"no value for {', '.join(sorted(missing))}")
    return trace.log_prob_sum() + place.jacobian


def named_variables(joint: JointDensity, z: Tensor) -> dict[str, Tensor]:
    """Variables (D,) of a joint density by the names of the Pyro model's sites."""
    phi, own = HierarchicalDensity(joint).split(z[None])
    pieces = phi[0].split([site.size for site in joint.sites.values()])
    shared = {
        name: piece.reshape(site.shape)
        for (name, site), piece in zip(joint.sites.items(), pieces, strict=True)
    }
    sizes = [
        len(joint.model.sed.epsilon_cholesky) if n == "epsilon" else 1 for n in joint.own_names
    ]
    columns = own[:, 0].split(sizes, -1)
    named = {
        name: column if name == "epsilon" else column[:, 0]
        for name, column in zip(joint.own_names, columns, strict=True)
    }
    return {**shared, **named}


@cache
def example_training_sample() -> tuple[TrainingSample, SEDModel]:
    """Five supernovae of the packaged T21 model, in hosts of both kinds, and that model."""
    sed = SEDModel.from_name("t21")
    rng = np.random.default_rng(0)
    redshift = np.linspace(0.02, 0.06, SUPERNOVAE)
    curves = []
    for i, z in enumerate(redshift):
        phase = np.sort(rng.uniform(-9, 38, 5 + i % 3))
        distance = float(Cosmology().distmod(torch.tensor([z]))) + 0.1 * rng.normal()
        bright = {"redshift": z, "distmod": distance, "av": rng.exponential(0.2)}
        flux = sed.flux(phase, BANDS, theta=rng.normal(), **bright).numpy()
        error = 0.03 * flux
        curves.append(
            LightCurve.from_arrays(
                f"SN{i}",
                np.tile(57000 + phase * (1 + z), len(BANDS)),
                (flux + error * rng.normal(size=flux.shape)).ravel(),
                error.ravel(),
                np.repeat(BANDS, len(phase)),
                redshift=z,
                redshift_err=1e-4,
                peak_mjd=57000.0,
                mwebv=0.0,
            )
        )
    batch = LightCurveBatch.from_light_curves(curves, bands=BANDS)
    observations = Observations.from_batch(batch, Cosmology().distmod(batch.redshift))
    error = distance_error(batch.redshift, batch.redshift_err, 150.0)
    mass = torch.linspace(9.3, 10.9, SUPERNOVAE, dtype=torch.float64)
    names = list(batch.object_id)
    return TrainingSample(observations, error, mass, batch.redshift, names), sed


def _tensors(conditions: Conditions) -> dict[str, Tensor]:
    values = {f.name: getattr(conditions, f.name) for f in fields(conditions)}
    return {name: value for name, value in values.items() if value is not None}


def _weighted(value: Tensor) -> Tensor:
    """A sum in which no two elements cancel."""
    weight = torch.linspace(1, 2, value.numel(), dtype=value.dtype).view(value.shape)
    return (weight * value).sum()


def _normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
