"""Broker, store and stack for one machine: everything that runs without anything installed by hand."""
