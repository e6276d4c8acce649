"""Photometry and model errors of SALT2 and SALT3, batched and with derivatives."""
