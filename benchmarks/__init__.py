"""Measurements behind what the documentation says about speed, quality and safety."""
