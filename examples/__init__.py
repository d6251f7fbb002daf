"""What the service does, shown on real input."""
