"""Statistics of numbers alone: estimates, intervals, tests."""
