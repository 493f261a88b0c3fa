"""How an agent turns a log into effects: batches in order, state that is logged, outputs that are delivered first."""
