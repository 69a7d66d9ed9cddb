"""What people bring and what ships: parts, where they come from, and the catalogue of all there are. No torch."""
