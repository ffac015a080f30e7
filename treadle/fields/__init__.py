"""Questions: from the author's types (types, form), through what was sent (spec, parse), to answers."""
