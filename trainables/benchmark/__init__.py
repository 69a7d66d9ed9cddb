"""The bundled benchmark: small generated scenes of emoji art in the file formats of VCR, SNLI-VE and VQA v2."""
