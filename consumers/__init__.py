"""Where an event comes to rest, and how it is read."""
