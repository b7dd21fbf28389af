"""The pure functions that the commands call: no command line, and input and output only where a name says so."""
