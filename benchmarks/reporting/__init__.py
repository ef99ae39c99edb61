"""Views of a benchmark record: tables, figures, pages."""
