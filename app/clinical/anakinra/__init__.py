"""Anakinra: starting dose, titration and weaning."""
