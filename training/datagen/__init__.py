"""Questions with SQL, made from a schema and verified by running them."""
