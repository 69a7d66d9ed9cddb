"""Where it is run: the only room that imports Ray."""
