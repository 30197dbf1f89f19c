"""What the MAP is made of: packages, models, licences, and papers that say so."""
