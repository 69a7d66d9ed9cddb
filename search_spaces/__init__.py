"""What may vary: the study schema, factors, domains, designs, and the shipped studies."""
