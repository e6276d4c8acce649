"""Errors that an astronomer can act on: the command line prints them as one line and exits with
code 2.
"""

import math


class SntorchError(Exception):
    """What was asked for cannot be done; the message says where, what was found and what is
    accepted.
    """


class DataError(SntorchError):
    """A file, an object or an observation that cannot be used."""


class ConfigError(SntorchError):
    """A setting, a name or a combination of settings that is not accepted."""


class CheckpointError(SntorchError):
    """A checkpoint that is damaged or belongs to another model."""


class SntorchWarning(UserWarning):
    """Something was left out or guessed; the message counts it and says how to be strict."""


def check_number(name: str, value: object, whole: bool = False) -> None:
    """Refuse a setting that is no number: a word from the command line, say.

    Args:
        name: Of the setting.
        value: What was given; None, where nothing was, is let through.
        whole: Whether only whole numbers will do.

    Raises:
        ConfigError: Something else.
    """
    kinds = int if whole else (int, float)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise ConfigError(f"{name}={value}: a {'whole ' * whole}number is accepted")


def check_positive(name: str, value: object) -> None:
    """Refuse a setting that is no positive, finite number; None is let through.

    Raises:
        ConfigError: Something else.
    """
    check_number(name, value)
    if isinstance(value, int | float) and not (value > 0 and math.isfinite(value)):
        raise ConfigError(f"{name}={value}: a positive number is accepted")
