"""Training a conditional flow over light curves, and sampling it.

Conditional flow matching (Lipman et al. 2023, arXiv:2210.02747) with straight paths: see
``flow_paths.py`` for the method, ``flow_space.py`` for the coordinates, ``flow.py`` for the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.building import build, plain
from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows
from sntorch.errors import ConfigError
from sntorch.generative.abilities import GENERATED, NOISELESS, Abilities
from sntorch.generative.base import Cadence, Seed
from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.flow import (
    EPOCHS,
    N_FEATURES,
    N_STATE,
    PHOTOMETRY,
    FlowNetworks,
    LightCurveFlow,
)
from sntorch.generative.flow_paths import check_flow_times
from sntorch.generative.flow_sampling import Drawing, sample_flow
from sntorch.generative.noise import seeded
from sntorch.generative.requests import TrainingObjects, check_request
from sntorch.generative.training import (
    AUGMENT_BELOW,
    LOG_EVERY,
    TrainedGenerator,
    check_share,
)
from sntorch.nn.ema import AveragedModel

WARM_UP = 100
SCHEDULES = ("constant", "cosine")


class FlowMatching(TrainedGenerator):
    """A flow from noise to the photometry of light curves at given epochs; the averaged networks
    are those that sample.

    All random numbers of a training step derive from ``seed``, the number of steps made and the
    rank of the process, so on a CPU a run resumed from a checkpoint ends with the weights of an
    uninterrupted one.

    Args:
        network: Class (``_target_``) and arguments of the velocity; ``n_bands``, ``n_state``,
            ``n_features`` and ``n_condition`` are added.
        conditions: Properties that can be asked for: ``type``, ``redshift``, ``mwebv``,
            ``host_0`` …; see ``Conditions``.
        condition_dropout: Share of objects whose conditions are hidden while training.
        guidance: Strength of classifier-free guidance: 1 for none, above 1 sharpens a condition.
        learn_epochs: Whether a second flow learns to make epochs (``cadence="generated"``).
        epoch_shift: Days by which the maximum moves among resampled epochs, standard deviation:
            objects with the epochs of a training object are then no copies of it.
        flow_times: ``logit_normal`` or ``uniform``.
        n_steps: Steps of sampling, each an evaluation of the networks.
        measurement: Whether the flow learns true fluxes, to which normal noise of the written
            errors is added. Training objects are then noiseless ones of a simulation: with fluxes
            that were observed, the noise of each is part of what a flow learns, and nothing in the
            data tells it from the light curve.
        learning_rate: Step of AdamW after a short warm-up.
        schedule: ``constant``, or ``cosine`` down to zero at the end of training.
        weight_decay: Of AdamW.
        gradient_clip: Largest norm of a gradient.
        ema_decay: Decay of the networks' average.
        augment: Whether training objects are changed as ``SmallSampleAugmentation`` says; default:
            for fewer than 150 objects.
        max_observations: Observations of an object that a training step looks at, others each
            time; None for all. For samples in which a few objects have hundreds.
        seed: Seed of initial weights and training noise.
        n_validation: Light curves drawn for each validation.
        start_from: A trained flow to go on from: its checkpoint, run or folder.
        borrow_epochs: Whether resampled epochs are then those of its training objects.
    """

    TRAINED = "networks", "average"
    SAME = "network", "conditions", "learn_epochs", "measurement"
    WHAT = "A flow from noise to photometry at given epochs or at those of training objects"
    REFUSALS = Abilities.REFUSALS | {
        NOISELESS: "noiseless: this flow was trained with measurement=false, on observed fluxes, "
        "and cannot tell light curves from their noise; one trained on noiseless simulations "
        "(measurement=true) can",
        GENERATED: "cadence generated: this flow was trained with learn_epochs=false and takes "
        "the epochs of training objects (resampled) or given ones",
    }
    follows_cadence = True
    networks: Any
    average: Any

    def __init__(
        self,
        network: Mapping[str, Any],
        conditions: Sequence[str] = (),
        condition_dropout: float = 0.1,
        guidance: float = 1.0,
        learn_epochs: bool = False,
        epoch_shift: float = 2.5,
        flow_times: str = "logit_normal",
        n_steps: int = 6,
        measurement: bool = False,
        learning_rate: float = 2e-3,
        schedule: str = "constant",
        weight_decay: float = 0.01,
        gradient_clip: float = 1.0,
        ema_decay: float = 0.999,
        augment: bool | None = None,
        max_observations: int | None = None,
        seed: int = 0,
        n_validation: int = 1000,
        start_from: str | Path | None = None,
        borrow_epochs: bool = True,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "network": plain(network),
            "conditions": [str(name) for name in conditions],
            "condition_dropout": float(condition_dropout),
            "guidance": float(guidance),
            "learn_epochs": bool(learn_epochs),
            "epoch_shift": float(epoch_shift),
            "flow_times": str(flow_times),
            "n_steps": int(n_steps),
            "measurement": bool(measurement),
            "learning_rate": float(learning_rate),
            "schedule": str(schedule),
            "weight_decay": float(weight_decay),
            "gradient_clip": float(gradient_clip),
            "ema_decay": float(ema_decay),
            "augment": augment,
            "max_observations": None if max_observations is None else int(max_observations),
            "seed": int(seed),
            "n_validation": int(n_validation),
            "start_from": None if start_from is None else str(start_from),
            "borrow_epochs": bool(borrow_epochs),
        }
        _check(self.config)
        self.save_hyperparameters(self.config)
        self.knows_true_flux = self.config["measurement"]
        self.makes_epochs = self.config["learn_epochs"]

    # ---------------------------------------------------------------- building

    def _fit(self, batch: LightCurveBatch, previous: FlowMatching | None) -> None:
        config = self.config
        _check_noise(config["measurement"], batch.noiseless)
        names, learns = config["conditions"], config["learn_epochs"]
        known = None if previous is None else previous.flow
        self._assemble(LightCurveFlow.fit(batch, names, config["flow_times"], learns, known))

    @property
    def objects(self) -> TrainingObjects:
        """What is known of the training objects."""
        return self.flow.objects

    def _assemble(self, flow: LightCurveFlow) -> None:
        self.flow, self.bands = flow, flow.encoding.bands
        names = [PHOTOMETRY, EPOCHS] if flow.learns_epochs else [PHOTOMETRY]
        with seeded(torch.device("cpu"), self.config["seed"]):
            networks = {
                name: build(
                    self.config["network"],
                    nn.Module,
                    n_bands=len(self.bands),
                    n_state=N_STATE[name],
                    n_features=N_FEATURES[name],
                    n_condition=flow.conditions.n_codes,
                )
                for name in names
            }
        self.networks = FlowNetworks(**networks)
        self.average = AveragedModel(self.networks, self.config["ema_decay"])
        self.to(self.device)

    @property
    def augments(self) -> bool:
        """Whether training objects are changed at random."""
        chosen = self.config["augment"]
        return len(self.flow.epochs) < AUGMENT_BELOW if chosen is None else bool(chosen)

    # ---------------------------------------------------------------- training

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW for all networks."""
        config = self.config
        return torch.optim.AdamW(
            self.networks.parameters(),
            config["learning_rate"],
            weight_decay=config["weight_decay"],
        )

    def training_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """One step; nothing on a batch without a usable observation."""
        known = self.flow.encode(batch)
        if self.empty_on_any_rank(len(known)):
            return
        with seeded(self.device, *self.noise_words()):
            hidden, most = self.config["condition_dropout"], self.config["max_observations"]
            losses = self.flow.losses(self.networks, known, hidden, self.augments, most)
        self._descend(torch.stack(list(losses.values())).sum())
        self.average.update(self.networks)
        self.iterations += 1
        if int(self.iterations) % LOG_EVERY == 1:
            self._log_losses(losses, len(known))

    def _descend(self, loss: Tensor) -> None:
        optimizer: Any = self.optimizers()
        for group in optimizer.param_groups:
            group["lr"] = self.config["learning_rate"] * self._rate()
        optimizer.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(self.networks.parameters(), self.config["gradient_clip"])
        optimizer.step()

    def _rate(self) -> float:
        """Share of the learning rate at this iteration."""
        done = int(self.iterations)
        rate = min(1.0, (done + 1) / WARM_UP)
        if self.config["schedule"] == "constant":
            return rate
        total = self.trainer.estimated_stepping_batches
        return rate * (1 + math.cos(math.pi * min(done / total, 1.0))) / 2

    def _log_losses(self, losses: Mapping[str, Tensor], size: int) -> None:
        self.check_losses(losses)
        values = {f"train/{name}": loss.detach() for name, loss in losses.items()}
        self.log_dict(values | {"train/loss": sum(values.values())}, batch_size=size)

    # -------------------------------------------------------------- validation

    def validation_step(self, batch: LightCurveBatch, batch_idx: int) -> None:
        """Log the loss of the averaged networks, with the same noise at each validation."""
        self.keep_held_out(batch)
        known = self.flow.encode(batch)
        if not len(known):
            return
        with seeded(self.device, self.config["seed"], batch_idx):
            losses = self.flow.losses(self.average, known, 0.0, augment=False)
        values = {f"val/{name}": loss for name, loss in losses.items()}
        self.log_dict(
            values | {"val/loss": sum(values.values())}, batch_size=len(known), sync_dist=True
        )

    # ---------------------------------------------------------------- sampling

    @torch.no_grad()
    def sample_rows(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
        noiseless: bool = False,
    ) -> LightCurveRows:
        """As ``sample``, in the rows view.

        Args:
            n: Number of objects.
            lengths: Observations per band, at epochs of training objects.
            condition: Property to value, one value for all objects or one each, or None for
                "unknown"; properties left out are drawn as in the training set.
                ``extrapolate: true`` allows numbers outside its range.
            cadence: Default and "resampled": epochs of training objects; "generated": the model's
                own, where it was trained with ``learn_epochs``.
            seed: Seed of the draws.
            temperature: Scale of the latent noise.
            noiseless: Whether fluxes are the true ones, where the flow was trained with
                ``measurement``.

        Raises:
            ConfigError: A condition, lengths or a cadence that do not fit.
        """
        asked = n, lengths, condition, cadence, seed, temperature
        shift = self.config["epoch_shift"]
        request = check_request(self.objects, *asked, shift, "resampled", self.donors)
        how = Drawing(
            self.config["n_steps"], self.config["guidance"], self.config["measurement"], noiseless
        )
        with self.average.evaluating():
            return sample_flow(self.flow, self.average, request, how, self.device)

    # -------------------------------------------------------------- persistence

    def _rebuild(self, found: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
        names = self.config["conditions"]
        self._assemble(
            LightCurveFlow(
                MagnitudeEncoding(found["bands"], found["zeropoint"]),
                TrainingObjects.from_state(names, found, state, "flow."),
                self.config["flow_times"],
                self.config["learn_epochs"],
            )
        )

    @property
    def zeropoint(self) -> float:
        """Zero point of the fluxes."""
        return self.flow.encoding.zeropoint


def _check_noise(measurement: bool, noiseless: bool) -> None:
    """Refuse training objects that do not suit the measurement layer.

    Raises:
        ConfigError: Observed fluxes with it, or true ones without it.
    """
    if measurement and not noiseless:
        raise ConfigError(
            "measurement=true: the training objects have observed fluxes, whose noise a flow "
            "cannot take away; noiseless ones of a simulation are accepted "
            "(data.light_curves.noiseless=true)"
        )
    if noiseless and not measurement:
        raise ConfigError(
            "measurement=false: the training objects are noiseless, and so would generated ones "
            "be; measurement=true adds the noise"
        )


def _check(config: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense.

    Raises:
        ConfigError: Which, and what is accepted.
    """
    check_flow_times(config["flow_times"])
    if config["schedule"] not in SCHEDULES:
        raise ConfigError(f"schedule {config['schedule']!r}: {' or '.join(SCHEDULES)} is accepted")
    if config["n_steps"] < 1:
        raise ConfigError(f"n_steps={config['n_steps']}: 1 or more is accepted")
    most = config["max_observations"]
    if most is not None and most < 1:
        raise ConfigError(f"max_observations={most}: 1 or more, or none, is accepted")
    check_share("condition_dropout", config["condition_dropout"])
