"""Every test of Tollbook; the folders mirror `src/tollbook`."""
