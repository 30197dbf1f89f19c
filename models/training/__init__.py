"""Training of the networks: data sets, augmentation and loops (extra ``train``)."""
