"""The safety case: hazards, requirements, cards, mappings and third-party software, kept as data and checked."""
