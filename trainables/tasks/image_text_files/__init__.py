"""The parts that only `image_text` has: the files of Hugging Face's ImageFolder, their meaning, and its metrics."""
