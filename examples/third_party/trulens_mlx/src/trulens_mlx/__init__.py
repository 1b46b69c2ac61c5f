"""Explanations of models written with MLX."""
