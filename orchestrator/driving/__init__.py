"""The run of a study: a queue, an executor and a store, brought together."""
