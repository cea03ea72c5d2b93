"""Long trials: processes that are killed, files that are broken or hostile, bits that flip.

Every trial has a number and follows from it and the seed, so that one can be made again.
"""
