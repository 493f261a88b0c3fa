"""How are programs measured? From outside, each alone on one core, with broker, load and harness on the other."""
