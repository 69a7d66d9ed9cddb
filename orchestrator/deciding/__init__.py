"""What to run next, decided from the study and its records alone: nothing here runs or writes anything."""
