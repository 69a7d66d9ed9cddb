"""Contract suites: what every part must do, as tests that a part of one's own runs too."""
