"""Parts, bundled or brought by users: what each kind is, where it comes from, and the catalogue of all. No torch."""
