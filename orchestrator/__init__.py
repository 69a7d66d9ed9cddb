"""From a question to records: plan, proposals, store, provenance, command line."""
