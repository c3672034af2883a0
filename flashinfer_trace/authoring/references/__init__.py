"""The references, one file a definition; a file's whole text is the definition's `reference`."""
