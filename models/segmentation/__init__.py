"""From a box to a mask: prompts, the box segmenter, and lesions over slices."""
