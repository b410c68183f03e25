"""Looking at scenes: pictures without a window."""
