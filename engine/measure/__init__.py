"""Timers (inside a child) and statistics (outside it)."""
