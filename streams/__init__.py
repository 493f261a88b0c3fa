"""Where an event goes next: Faust agents and the engine beneath them."""
