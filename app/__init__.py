"""Wires and configures; computes nothing."""
