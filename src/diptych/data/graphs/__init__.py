"""Where graphs come from: TU folders, arrays, lines of JSON, families from a seed; kept memory-mapped."""
