"""The MAP image: what goes in, how the stock packager's output is adapted, how it is built."""
