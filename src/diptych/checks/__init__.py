"""What can be known of a training before it begins. One file per question; each answers with a `Finding`."""
