"""Every JSON document as one type, read strictly in one place and written from the same type."""
