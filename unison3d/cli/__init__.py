"""The command line: one file per verb, argument parsing only."""
