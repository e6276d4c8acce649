"""Classifiers of light curves, and how well they do."""
