"""Checks of the baselines' settings."""

from __future__ import annotations

from sntorch.errors import ConfigError, check_number, check_positive


def check_settings(model: object, *widths: str, shares: tuple[str, ...] = ()) -> None:
    """Refuse settings of a baseline that make no sense.

    Args:
        model: The baseline.
        widths: Names of its settings that are zero or positive.
        shares: Names of those from 0 to below 1.

    Raises:
        ConfigError: Another value, or a detection limit that is not positive.
    """
    for name in (*widths, *shares):
        value = getattr(model, name)
        check_number(name, value)
        if not 0 <= value < (1 if name in shares else float("inf")):
            accepted = "0 to below 1" if name in shares else "0 or more"
            raise ConfigError(f"{name}={value}: {accepted} is accepted")
    check_positive("detection_snr", getattr(model, "detection_snr", None))
