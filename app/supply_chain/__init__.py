"""What the MAP is made of: packages, models, licences, and papers that say so."""

from lesionmap.app.supply_chain.documents import write_documents

__all__ = ["write_documents"]
