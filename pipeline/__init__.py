"""From text to a talking video: the stages, the engines and voices they use, and what runs them."""
