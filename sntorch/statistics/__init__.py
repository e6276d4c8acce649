"""Intervals of numbers that were computed from a finite sample."""
