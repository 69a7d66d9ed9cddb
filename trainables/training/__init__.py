"""One trial: batches, targets, steps, evaluation."""
