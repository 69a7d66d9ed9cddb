"""The views of a store as Arrow tables, and SQL over them."""
