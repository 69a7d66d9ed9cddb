"""The trained models: single-stream cross-modal transformers and their tokens."""
