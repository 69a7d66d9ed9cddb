"""Comparisons of arms: which observations stand against which, and what is said of the difference."""
