"""What we think of what happened. Pure: no clock, no network, no environment, no log."""
