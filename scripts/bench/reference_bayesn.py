"""Figures of the public JAX implementation of BayeSN on light curves that we hand to it.

Run by the Python of an environment of its own, in which ``bayesn`` 0.4.0 and ``pandas`` below 3
are installed; sntorch is not imported. The figures go to standard output and to ``--out`` as
JSON, everything that the reference prints goes to standard error::

    reference_bayesn.py --data FILE.npz --task gradient|nuts|vi --n N --repeat R --out FILE.json

FILE.npz holds N objects of T padded observations: ``name`` (N,), ``time`` (N, T) MJD, ``flux``
and ``flux_err`` (N, T) FLUXCAL (zero point 27.5), ``band`` (N, T) index into ``bands``, ``mask``
(N, T), and per object ``redshift`` (heliocentric), ``mwebv``, ``peak_mjd`` and ``muhat``.
"""

# The imports are those of another environment.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Figures = dict[str, Any]

# Rows of the reference's data tensor (10, T, N); the two that are left out are never read in fits.
PHASE, FLUX, FLUX_ERR, BAND, REDSHIFT, MUHAT, MWEBV, MASK = 0, 1, 2, 4, 5, 7, 8, 9
ROWS = 10
PADDING_BAND = "NULL_BAND"
# What the reference's process_dataset gives to the errors of padded observations.
PADDING_ERROR = 1 / np.sqrt(2 * np.pi)
# The settings of the reference's fit() and of its variational fit in run().
CHAINS, WARMUP, SAMPLES, MAX_TREE_DEPTH = 4, 250, 250, 10
LAPLACE_STEPS, ZLTN_STEPS, PARTICLES = 15_000, 10_000, 5
START_AV = 0.2
SITES = ("Ds", "theta", "AV", "tmax")


def main() -> None:
    """Read the arguments, run one task and write its figures."""
    options = parse()
    if importlib.util.find_spec("bayesn") is None:
        print("bayesn is missing here: pip install 'bayesn==0.4.0' 'pandas<3'", file=sys.stderr)
        sys.exit(2)
    with contextlib.redirect_stdout(sys.stderr):
        lightcurves = load(options.data, options.n)
        figures = header(options.task, len(lightcurves["name"]))
        model, seconds = timed(build_model)
        data, weights = pack(model, lightcurves)
        figures |= {"setup": seconds, "observations": int(data[MASK].sum())}
        figures |= TASKS[options.task](model, data, weights, options.repeat)
    text = json.dumps(figures | {"load_after": os.getloadavg()}, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Figures of the reference BayeSN on our data.")
    parser.add_argument("--data", type=Path, required=True, help="light curves, .npz")
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--n", type=int, help="only the first N objects")
    parser.add_argument("--repeat", type=int, default=20, help="gradients to time")
    parser.add_argument("--out", type=Path, help="where to write the figures, .json")
    return parser.parse_args()


def header(task: str, n: int) -> Figures:
    """What was run, where, and with which versions."""
    packages = ("bayesn", "jax", "numpyro", "numpy")
    return {
        "task": task,
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "n": n,
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
    }


def timed(function: Callable[[], Any]) -> tuple[Any, Figures]:
    """What a function returns, and the wall and CPU seconds it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
    }


# ------------------------------------------------------------------------------------------------
# Data
# ------------------------------------------------------------------------------------------------


def load(path: Path, n: int | None) -> Arrays:
    """The first n objects of the file; ``bands`` is kept whole."""
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] if key == "bands" else file[key][:n] for key in file.files}


def build_model() -> Any:
    """The reference's T21 model, as its user makes it."""
    from bayesn import SEDmodel

    return SEDmodel(load_model="T21_model")


def reference_band(name: str, known: dict[str, int]) -> str:
    """The reference's name of a band: ``ps1::g`` is ``g_PS1``."""
    survey, _, letter = name.partition("::")
    for candidate in (name, f"{letter}_{survey.upper()}"):
        if candidate in known:
            return candidate
    raise SystemExit(f"band {name!r} is not in the reference, which has {', '.join(known)}")


def pack(model: Any, lightcurves: Arrays) -> tuple[Any, Any]:
    """The data tensor (10, T, N) and band weights (N, 300, bands) of the reference.

    Padded observations are as its process_dataset leaves them. The model is narrowed to the bands
    in use, so that each model serves one call.
    """
    import jax

    names = [reference_band(str(name), model.band_dict) for name in lightcurves["bands"]]
    keep = usable(model, lightcurves, names)
    data = np.zeros((ROWS, keep.sum(1).max(), len(keep)))
    data[FLUX_ERR] = PADDING_ERROR
    for i, kept in enumerate(keep):
        data[:, : kept.sum(), i] = columns(lightcurves, i, kept)
    weights = narrow(model, [PADDING_BAND, *names], data)
    return jax.device_put(data), jax.device_put(weights)


def usable(model: Any, lightcurves: Arrays, names: list[str]) -> np.ndarray:
    """Which observations the reference fits: inside the knots in phase, bands inside the SED."""
    limits = np.array([model.band_lim_dict[name] for name in names])
    knots = np.asarray(model.l_knots)
    redshift = lightcurves["redshift"][:, None]
    outside = (redshift > limits[:, 0] / knots[0] - 1) | (redshift < limits[:, 1] / knots[-1] - 1)
    dropped = np.take_along_axis(outside, lightcurves["band"], 1)
    phase, knots = phases(lightcurves), np.asarray(model.tau_knots)
    inside = (phase > knots.min()) & (phase < knots.max())
    return lightcurves["mask"].astype(bool) & inside & ~dropped


def phases(lightcurves: Arrays) -> np.ndarray:
    """Rest-frame days since the peak of the header, (N, T)."""
    peak, redshift = lightcurves["peak_mjd"][:, None], lightcurves["redshift"][:, None]
    return (lightcurves["time"] - peak) / (1 + redshift)


def columns(lightcurves: Arrays, i: int, kept: np.ndarray) -> np.ndarray:
    """The kept observations of one object as columns of the data tensor."""
    result = np.zeros((ROWS, kept.sum()))
    result[PHASE] = phases(lightcurves)[i, kept]
    result[FLUX] = lightcurves["flux"][i, kept]
    result[FLUX_ERR] = lightcurves["flux_err"][i, kept]
    result[BAND] = 1 + lightcurves["band"][i, kept]
    for row, key in ((REDSHIFT, "redshift"), (MUHAT, "muhat"), (MWEBV, "mwebv")):
        result[row] = lightcurves[key][i]
    result[MASK] = 1
    return result


def narrow(model: Any, bands: list[str], data: np.ndarray) -> np.ndarray:
    """Keep only these bands in the model, and return their weights for each object."""
    index = np.array([model.band_dict[name] for name in bands])
    model.used_band_inds = index
    model.zps, model.offsets = model.zps[index], model.offsets[index]
    return np.asarray(model._calculate_band_weights(data[REDSHIFT, 0], data[MWEBV, 0]))


# ------------------------------------------------------------------------------------------------
# Tasks
# ------------------------------------------------------------------------------------------------


def gradient(model: Any, data: Any, weights: Any, repeat: int) -> Figures:
    """One value and gradient of the fitting density of all objects, compiled and warm.

    It is taken in the unconstrained parameters at theta = tmax = epsilon = 0, A_V = 0.2 and
    Ds = muhat; ``potential`` and the norm of its gradient there let the caller compare densities.
    """
    import jax

    function = jax.jit(jax.value_and_grad(potential(model, data, weights)))
    arguments = (start(model, data), data, weights)
    compiled, compile_time = timed(lambda: function.lower(*arguments).compile())

    def call() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    value, slope = call()
    times = [timed(call)[1] for _ in range(repeat)]
    norm = float(np.sqrt(sum(float((leaf**2).sum()) for leaf in slope.values())))
    return {
        "compile": compile_time,
        "repeat": repeat,
        **summary("wall_ms", [1e3 * one["wall_s"] for one in times]),
        **summary("cpu_ms", [1e3 * one["cpu_s"] for one in times]),
        "potential": float(value),
        "gradient_norm": norm,
    }


def potential(model: Any, data: Any, weights: Any) -> Callable[..., Any]:
    """Minus the log-density of the reference's fitting model: (parameters, data, weights)."""
    from jax.random import PRNGKey
    from numpyro.infer import init_to_median
    from numpyro.infer.util import initialize_model

    info = initialize_model(
        PRNGKey(0),
        model.fit_model_globalRV,
        init_strategy=init_to_median(),
        dynamic_args=True,
        model_args=(data, weights),
    )
    return lambda parameters, *arguments: info.potential_fn(*arguments)(parameters)


def start(model: Any, data: np.ndarray) -> dict[str, Any]:
    """The point in the unconstrained parameters at which the gradient is taken."""
    import jax.numpy as jnp

    n = data.shape[-1]
    return {
        "theta": jnp.zeros(n),
        "AV": jnp.full(n, np.log(START_AV)),
        "tmax": jnp.zeros(n),
        "eps_tform": jnp.zeros((n, model.L_Sigma.shape[0])),
        "Ds": jnp.asarray(data[MUHAT, 0]),
    }


def training_gradient(model: Any, data: Any, weights: Any, repeat: int) -> Figures:
    """One value and gradient of the training density of all objects, compiled and warm."""
    import jax
    import jax.numpy as jnp
    from jax.random import PRNGKey
    from numpyro.infer import init_to_median
    from numpyro.infer.util import initialize_model

    packed = in_magnitudes(model, np.asarray(data))
    info = initialize_model(
        PRNGKey(0),
        model.train_model_globalRV,
        init_strategy=init_to_median(),
        dynamic_args=True,
        model_args=(packed, weights),
    )

    def minus_log_density(parameters: Any, *arguments: Any) -> Any:
        return info.potential_fn(*arguments)(parameters)

    function = jax.jit(jax.value_and_grad(minus_log_density))
    point = {k: jnp.asarray(v) for k, v in info.param_info.z.items()}
    arguments = (point, packed, weights)
    compiled, compile_time = timed(lambda: function.lower(*arguments).compile())

    def call() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    value, _ = call()
    times = [timed(call)[1] for _ in range(repeat)]
    return {
        "compile": compile_time,
        "repeat": repeat,
        "dimensions": int(sum(np.size(v) for v in point.values())),
        **summary("wall_ms", [1e3 * one["wall_s"] for one in times]),
        **summary("cpu_ms", [1e3 * one["cpu_s"] for one in times]),
        "potential": float(value),
        "log_likelihood": training_likelihood(model, packed, weights),
    }


def training_likelihood(model: Any, packed: Any, weights: Any) -> float:
    """ln L of all magnitudes at the model's own surfaces, theta = epsilon = 0 and A_V = 0.2."""
    import jax.numpy as jnp
    from numpyro.handlers import seed, substitute, trace

    n = packed.shape[-1]
    values = {
        "W0": jnp.asarray(model.W0).flatten(order="F"),
        "W1": jnp.asarray(model.W1).flatten(order="F"),
        "RV": jnp.asarray(float(model.RV)),
        "theta": jnp.zeros(n),
        "AV": jnp.full(n, START_AV),
        "eps_tform": jnp.zeros((n, model.L_Sigma.shape[0])),
        "Ds": packed[MUHAT, 0],
    }
    conditioned = substitute(seed(model.train_model_globalRV, 0), values)
    site = trace(conditioned).get_trace(packed, weights)["obs"]
    log_prob = np.asarray(site["fn"].log_prob(site["value"]))
    return float(log_prob[np.asarray(packed[MASK]) > 0].sum())


def in_magnitudes(model: Any, data: np.ndarray) -> Any:
    """The data tensor as the reference trains on it; the model keeps the times of the data."""
    import jax
    import jax.numpy as jnp

    data = data.copy()
    used = (data[MASK] > 0) & (data[FLUX] > 0)
    flux = np.where(used, data[FLUX], 1.0)
    error = 2.5 / np.log(10) * data[FLUX_ERR] / flux
    data[FLUX] = np.where(used, 27.5 - 2.5 * np.log10(flux), 0.0)
    data[FLUX_ERR] = np.where(used, error, PADDING_ERROR)
    data[MASK] = used
    phase = jnp.asarray(data[PHASE])
    flat = phase.flatten(order="F")
    rows = model.J_t_map(flat, model.tau_knots, model.KD_t)
    shape = (*phase.shape, model.tau_knots.shape[0])
    model.J_t = jax.device_put(rows.reshape(shape, order="F").transpose(1, 2, 0))
    interpolation = [19 + jnp.floor(phase), 19 + jnp.ceil(phase), jnp.remainder(phase, 1)]
    model.hsiao_interp = jnp.array(interpolation)
    model.data = jax.device_put(data)
    return model.data


def summary(name: str, values: list[float]) -> Figures:
    """Median and least of some values."""
    return {f"{name}_median": float(np.median(values)), f"{name}_min": min(values)}


def nuts(model: Any, data: Any, weights: Any, repeat: int) -> Figures:
    """The sampler of the reference's fit(), one object and one chain at a time, compiled once.

    The chains run one after another, the cheapest order in CPU seconds: in lockstep each step
    would wait for the largest of the trees.
    """
    import jax

    run = jax.jit(functools.partial(chain, model))
    keys = jax.random.split(jax.random.PRNGKey(0), CHAINS)
    compiled, compile_time = timed(
        lambda: run.lower(keys[0], data[..., :1], weights[:1]).compile()
    )
    fits = []
    for i in range(data.shape[-1]):
        arguments = (data[..., i : i + 1], weights[i : i + 1])
        traces, seconds = timed(
            lambda arguments=arguments: [jax.device_get(compiled(key, *arguments)) for key in keys]
        )
        fits.append({**seconds, **posterior(traces)})
    return {"compile": compile_time, **means(fits), "fits": fits}


def chain(model: Any, key: Any, data: Any, weights: Any) -> dict[str, Any]:
    """Every iteration, warm-up included, of one chain of the reference's NUTS for one object."""
    import jax
    from numpyro.infer import NUTS, init_to_median

    kernel = NUTS(
        model.fit_model_globalRV,
        adapt_step_size=True,
        init_strategy=init_to_median(),
        max_tree_depth=MAX_TREE_DEPTH,
    )
    arguments = (data, weights)

    def step(state: Any, _: None) -> tuple[Any, dict[str, Any]]:
        state = kernel.sample(state, arguments, {})
        latent = kernel.postprocess_fn(arguments, {})(state.z)
        kept = {site: latent[site][0] for site in SITES}
        return state, kept | {"steps": state.num_steps, "diverging": state.diverging}

    state = kernel.init(key, WARMUP, None, arguments, {})
    return jax.lax.scan(step, state, None, length=WARMUP + SAMPLES)[1]


def posterior(traces: list[Arrays]) -> Figures:
    """Effective sample sizes, leapfrogs and moments of the chains of one object."""
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    trace = {key: np.stack([one[key] for one in traces]) for key in traces[0]}
    draws = {site: trace[site][:, WARMUP:] for site in SITES}
    return {
        "ess": {site: float(effective_sample_size(draws[site])) for site in SITES},
        "rhat": {site: float(split_gelman_rubin(draws[site])) for site in SITES},
        "leapfrogs": int(trace["steps"].sum()),
        "leapfrogs_sampling": int(trace["steps"][:, WARMUP:].sum()),
        "divergences": int(trace["diverging"][:, WARMUP:].sum()),
        **moments(draws),
    }


def moments(draws: Arrays) -> Figures:
    """Posterior mean and standard deviation of each parameter."""
    return {
        "mean": {site: float(values.mean()) for site, values in draws.items()},
        "std": {site: float(values.std()) for site, values in draws.items()},
    }


def means(fits: list[Figures]) -> Figures:
    """Averages over objects of the seconds and leapfrogs, and the least sample size of each."""
    ess = [min(fit["ess"][site] for site in ("Ds", "theta", "AV")) for fit in fits]
    average = {
        f"{key}_per_sn": float(np.mean([fit[key] for fit in fits]))
        for key in ("cpu_s", "wall_s", "leapfrogs")
    }
    return average | {"min_ess_per_sn": float(np.mean(ess))}


def vi(model: Any, data: Any, weights: Any, repeat: int) -> Figures:
    """The reference's variational fit of run(): all objects under one vmap, compiled and warm.

    Its guide's distribution lacks arguments that numpyro's check of arguments reads since 0.22
    ("MultiZLTN has no attribute 'loc'"); the check is done in tracing only, so it is left out.
    """
    import jax
    import numpyro

    numpyro.enable_validation(False)
    run = jax.jit(jax.vmap(functools.partial(variational, model), in_axes=(2, 0)))
    compiled, compile_time = timed(lambda: run.lower(data, weights).compile())
    draws, seconds = timed(lambda: jax.device_get(compiled(data, weights)))
    n = data.shape[-1]
    fits = [moments({site: draws[site][i] for site in SITES}) for i in range(n)]
    return {
        "compile": compile_time,
        **{f"{key}_per_sn": value / n for key, value in seconds.items()},
        "gradients_per_sn": (LAPLACE_STEPS + ZLTN_STEPS) * PARTICLES,
        "fits": fits,
    }


def variational(model: Any, data: Any, weights: Any) -> dict[str, Any]:
    """Both stages for one object, with the settings that the reference hard-codes."""
    from bayesn.zltn_utils import AutoMultiZLTNGuide
    from jax.random import PRNGKey
    from numpyro.infer import Predictive, init_to_median, init_to_value
    from numpyro.infer.autoguide import AutoLaplaceApproximation

    arguments = (data[..., None], weights[None])
    first = model.fit_model_globalRV
    laplace = AutoLaplaceApproximation(first, init_loc_fn=init_to_median())
    mode = laplace.median(optimise(first, laplace, 0.01, LAPLACE_STEPS, arguments))
    values = {site: mode[site][:1] for site in (*SITES, "eps_tform")}
    second = model.fit_model_globalRV_vi
    guide = AutoMultiZLTNGuide(second, init_loc_fn=init_to_value(values=values))
    params = optimise(second, guide, 0.005, ZLTN_STEPS, arguments)
    draw = Predictive(guide, params=params, num_samples=CHAINS * SAMPLES)
    latent = draw(PRNGKey(123), data=None)
    return {site: latent[site].reshape(CHAINS * SAMPLES) for site in SITES}


def optimise(
    density: Any, guide: Any, rate: float, steps: int, arguments: tuple[Any, Any]
) -> dict[str, Any]:
    """The parameters of a guide after so many steps of Adam on the reference's ELBO."""
    from jax.random import PRNGKey
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.optim import Adam

    svi = SVI(density, guide, Adam(rate), Trace_ELBO(PARTICLES))
    return svi.run(PRNGKey(123), steps, *arguments, progress_bar=False).params


TASKS = {
    "gradient": gradient,
    "nuts": nuts,
    "vi": vi,
    "training_gradient": training_gradient,
}


if __name__ == "__main__":
    main()
