"""The shared language of light curves."""
