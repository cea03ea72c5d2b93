"""Classifiers over embeddings: pure functions on arrays first, the class after."""
