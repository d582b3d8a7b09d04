"""How the built-in engine's mouth model was made. Nothing here is needed to run the program."""
