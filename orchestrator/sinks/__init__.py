"""Copies of trials for MLflow, TensorBoard, and Weights & Biases; the records stay the truth."""
