"""Ablation studies of distillation: one import name over the rooms at the top of the repository."""
