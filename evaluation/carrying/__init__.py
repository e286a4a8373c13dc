"""How the parts of a SELECT are carried from one SQL dialect to another."""
