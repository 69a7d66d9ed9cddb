"""What to run next, from the study and its records alone: nothing here runs or writes anything."""
