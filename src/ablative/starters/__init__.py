"""What `ablate init` writes: a folder for each kind, in which the word `starter` becomes the name that is given."""
