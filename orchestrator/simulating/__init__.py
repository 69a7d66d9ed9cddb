"""Runs a study on a fake clock under assumed effects, to see what it would find and cost."""
