"""Pure clinical rules: values in, decisions out. No HTTP, no SQL, no clock, no environment."""
