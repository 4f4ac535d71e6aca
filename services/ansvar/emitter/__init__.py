"""The SDK: batches, sealing, delivery. Public names are re-exported by `ansvar`."""
