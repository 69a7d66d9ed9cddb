"""The command line: one module a group of commands, and where the rooms meet."""
