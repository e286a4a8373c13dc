"""Human questions of public corpora, made into training examples for a base model."""
