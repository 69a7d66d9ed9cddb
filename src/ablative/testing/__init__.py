"""Contract suites: what every part must do, as tests that your own parts run too."""
