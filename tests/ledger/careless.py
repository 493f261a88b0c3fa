"""Would the ledger notice? Epochs that commit before their outputs are confirmed: the order of effects, broken on purpose."""
