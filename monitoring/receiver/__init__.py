"""Where alerts arrive as shipped; needs nothing but Python's own library."""
