"""Trains the network that sees whether something is in front of a mouth: `python -m training.mouth_covers FOLDER`."""
