"""Post-training quantisation, with proof."""
