"""What we think of deliveries: how late one will be, and how right we were."""

MODELS = {"dispatch.delay": "models.dispatch.delay"}
"""Models by name -> the module with their verbs. Text, not modules: naming a model compiles nothing."""
