"""The parts that only VQA has: its files, their reader, and the official spelling of answers."""
