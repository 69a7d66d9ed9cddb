"""How a study stands and what its run does, as lines on a terminal."""
