"""Pictures: read from files, and the pixels of their plans, of many at once."""
