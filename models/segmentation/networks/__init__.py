"""The SAM2 family in torch: shapes, graphs and their export (extra ``train``)."""
