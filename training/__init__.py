"""Trains the built-in engine's mouth model and converts the face models; not needed to run lipdrop."""
