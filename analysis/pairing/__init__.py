"""Comparisons of arms: which observations are paired, and the verdict on their difference."""
