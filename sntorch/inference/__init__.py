"""Samplers and diagnostics that know no physics."""
