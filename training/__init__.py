"""Make a better model for this database: data, tokenizer, training, conversion."""
