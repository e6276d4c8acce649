"""Batched fits of SALT2 and SALT3 to light curves."""
