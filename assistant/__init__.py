"""A question in, an Answer out: everything between a person's words and the rows of their database."""
