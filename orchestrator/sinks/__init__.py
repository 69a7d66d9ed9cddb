"""Trials shown where people already look: MLflow, TensorBoard, Weights & Biases. Copies; the records are the truth."""
