"""One trial: batches, what teachers say of them, steps, evaluation."""
