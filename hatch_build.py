"""Ship conf/ as sntorch/conf in standard wheels; editable installs read conf/ where it lies."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackagedConfigs(BuildHookInterface):
    """Adds the Hydra configs to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Force-include the folder unless the wheel is an editable one."""
        if version == "standard":
            build_data["force_include"]["conf"] = "sntorch/conf"
