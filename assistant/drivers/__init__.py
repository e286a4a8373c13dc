"""What differs from one database to the next: opening it read-only, its failures, its schema, its cells."""
