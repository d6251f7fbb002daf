"""Servicers. A method converts the request, calls one operation, and converts what it returns."""
