"""The stages, in the order of the data: tts, split, lipsync, merge; `pack` is the merge stage's part for streams.

A stage has `setup(device)` and `process(item)`, see `pipeline.executors.worker.Stage`. Which items it takes is set in
`daemon/scheduling/stages.py`.
"""
