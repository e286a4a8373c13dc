"""What serves a model: one module for each server or engine, one contract for all."""
