"""From text to a talking video: the stages, their engines and voices, and the executors that run them."""
