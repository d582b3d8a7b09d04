"""The stages, in the order of the data: tts, split, lipsync, merge; `pack` is the merge stage's part for streams.

A stage has `setup(device)` and `process(item)`, see `pipeline.executors.worker.Stage`. The items it takes are listed in
`daemon/scheduling/stages.py`.
"""
