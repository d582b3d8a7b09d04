"""Idle motion: what keeps a still avatar from looking like a photograph. It blinks, sways and breathes."""

from pipeline.avatars.idle_motion.canvas import LivingCanvas

__all__ = ["LivingCanvas"]
