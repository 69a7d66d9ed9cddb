"""One trial: batches, the teacher's outputs for them, steps, evaluation."""
