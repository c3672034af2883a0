"""Texts of what is on the screen, for the clipboard, a pull request, an agent. Knows no widgets."""
