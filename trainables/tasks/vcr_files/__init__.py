"""The parts that only VCR has: its files, their reader, shifted tests and submission."""
