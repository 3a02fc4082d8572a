"""Inputs for a trained model, wherever they lie: read in batches, so that memory stays bounded.

What can't be understood is refused by name, and the rest goes on.
"""
