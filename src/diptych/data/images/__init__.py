"""Where pictures come from: folders, tables, arrays, and a world that is made from a seed; kept as mapped pixels."""
