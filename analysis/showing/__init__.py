"""What people see: sentences, tables, figures, the report."""
