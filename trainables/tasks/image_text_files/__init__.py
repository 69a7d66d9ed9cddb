"""What only `image_text` has: the files of Hugging Face's ImageFolder, what is understood of them, and its metrics."""
