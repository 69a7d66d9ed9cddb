"""The parts that only SNLI-VE has: the reader of its files and its shifted tests."""
