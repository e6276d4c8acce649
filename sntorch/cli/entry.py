"""How a verb meets Hydra: where the configs lie, and errors as one line with exit code 2."""

from __future__ import annotations

import functools
import importlib
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sntorch.cli.experiments import check_groups, check_verb
from sntorch.errors import ConfigError, SntorchError, SntorchWarning

USER_ERROR = 2
INTERRUPTED = 130
# What a shell reports of a command that was stopped by the end of its pipe.
PIPE_CLOSED = 141


def config_dir() -> Path:
    """Folder of the packaged configs: inside an installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError(
        f"no configs found in {package / 'conf'} or {package.parent / 'conf'}: reinstall sntorch"
    )


def hydra_main(config_name: str) -> Callable[[Callable[[Any], Any]], Callable[[], None]]:
    """Decorate a verb's task so that it runs with the config ``config_name`` and ``sys.argv``'s
    overrides.
    """

    def decorate(task: Callable[[Any], Any]) -> Callable[[], None]:
        @functools.wraps(task)
        def main() -> None:
            # Without this Hydra prints a wrapped message itself and exits with 1.
            os.environ["HYDRA_FULL_ERROR"] = "1"
            import hydra

            verb, folder = config_name.replace("_", "-"), config_dir()
            guarded(functools.partial(check_groups, sys.argv[1:], folder))
            guarded(functools.partial(check_verb, verb, sys.argv[1:], folder))

            # A user's error ends inside the task, before Hydra adds lines of its own to it.
            @functools.wraps(task)
            def job(cfg: Any) -> None:
                guarded(functools.partial(_use_threads, cfg.get("threads")))
                guarded(_import_pandas)
                guarded(functools.partial(task, cfg))

            decorated = hydra.main(
                version_base="1.3", config_path=str(folder), config_name=config_name
            )
            guarded(decorated(job))

        return main

    return decorate


def whole_number(cfg: Any, key: str, least: int) -> int:
    """The setting ``key`` as a whole number of at least ``least``.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(cfg[key], int) or cfg[key] < least:
        raise ConfigError(f"{key}={cfg[key]}: a whole number of at least {least} is accepted")
    return cfg[key]


def listed(cfg: Any, key: str) -> list[str]:
    """What an entry names: several, one, or nothing.

    Raises:
        ConfigError: The same twice.
    """
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(cfg, key) or cfg[key] is None:
        return []
    names = [cfg[key]] if isinstance(cfg[key], str) else list(cfg[key])
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ConfigError(f"{key} names {name} twice; once is accepted")
    return names


def settings(cfg: Any, key: str, accepted: Iterable[str]) -> dict[str, Any]:
    """The settings below ``key``, by name.

    Raises:
        ConfigError: One that is not accepted.
    """
    found, known = dict(cfg[key]), tuple(accepted)
    for name in found:
        if name not in known:
            raise ConfigError(
                f"{key}.{name}={found[name]}: no such setting; accepted: {', '.join(known)}"
            )
    return found


def _use_threads(n: int | None) -> None:
    if n is None:
        return
    import torch

    if not isinstance(n, int) or n < 1:
        raise ConfigError(f"threads={n}: a whole number of at least 1 is accepted")
    torch.set_num_threads(n)


def _import_pandas() -> None:
    """Import it before pyarrow does: from compiled code, where a Ctrl-C would be lost."""
    importlib.import_module("pandas")


def guarded(run: Callable[[], Any]) -> None:
    """Run a verb; an error that the user can act on becomes one line on stderr and exit code 2."""
    try:
        try:
            code = run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        # As ``sntorch data list | head``. Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        sys.stderr.write("sntorch: interrupted\n")
        sys.exit(INTERRUPTED)
    except Exception as error:
        line = user_message(error)
        if line is None:
            raise
        sys.stderr.write(f"sntorch: {line}\n")
        sys.exit(USER_ERROR)
    if isinstance(code, int) and code:
        sys.exit(code)


def _reader_is_gone() -> bool:
    """Whether it is stdout that nobody reads any more, not a pipe between processes of ours."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
    except (OSError, AttributeError):
        # Not a file, or a system without poll.
        return False
    return any(events & select.POLLERR for _, events in watched.poll(0))


@contextmanager
def told_warnings() -> Iterator[None]:
    """Show our own warnings as one line each on stderr, in place of Python's form of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", SntorchWarning)
        others = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SntorchWarning):
                sys.stderr.write(f"sntorch: {message}\n")
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def user_message(error: BaseException) -> str | None:
    """The one line to show for an error that is the user's to mend; None for a fault of ours."""
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    from sntorch.cli.misspelt import missing_config, unknown_option

    ours = _first(error, SntorchError)
    if ours is not None:
        return _one_line(str(ours))
    if isinstance(error, MissingConfigException):
        name = str(error.missing_cfg_file)
        if "/" in name:
            return missing_config(name, config_dir(), error.options or ())
    needed = getattr(_first(error, MissingMandatoryValue), "full_key", None)
    if needed:
        return f"{needed}= is needed and was not given"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        misspelt = unknown_option(str(error), config_dir())
        if misspelt is not None:
            return misspelt
        # Hydra hides what went wrong in the cause.
        cause = str(error.__cause__ or "")
        return _one_line(str(error) if cause in str(error) else f"{error} {cause}")
    return None


def _first(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _one_line(text: str) -> str:
    return " ".join(text.split())
