"""What is kept of callers: keys, clients, tokens. The only place of this room that speaks SQL."""
