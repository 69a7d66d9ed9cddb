"""What it means: query, statistics, tables, figures, report."""
