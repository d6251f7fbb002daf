"""Figures beside their yardsticks, measured in one run on one machine. `make bench`; nothing here is a test."""
