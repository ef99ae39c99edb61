"""Views of results: terminal, page, figures."""
