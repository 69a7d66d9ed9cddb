"""The command line: one module for each group of commands, and the composition in which the rooms meet."""
