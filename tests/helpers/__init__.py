"""What tests share: builders, strategies, simulated parts."""
