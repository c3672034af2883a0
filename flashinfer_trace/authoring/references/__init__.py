"""The references, one file an operator; a file's whole text is the definition's `reference`."""
