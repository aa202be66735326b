"""Template tags of the pages; `tollbook` is the one library (`{% load tollbook %}`)."""
