"""Tasks as files: readers for VCR, SNLI-VE and VQA v2, low-shot subsets, official metrics, the bundled benchmark."""
