"""Where samples come from: corpora of documents, and what is made of them once and kept."""
