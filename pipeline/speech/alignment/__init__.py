"""When the words and sounds of a text are heard, found by alignment with espeak-ng's rendering of the same text.

Dynamic time warping finds the most similar moment of the rendering, whose phonemes and words have known times, for
every moment of the sound. It compares mel cepstra and their changes, normalised over each of the two, so that speaker
and microphone matter little. Used for voices that report no phonemes, for recordings with a transcript, and for the
training of the mouth model.
"""
