"""The progress of a study and its run, as lines on a terminal."""
