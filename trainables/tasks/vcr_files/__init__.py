"""What only VCR has: its files, their reader, shifted tests and submission."""
