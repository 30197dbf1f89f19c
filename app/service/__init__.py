"""`lesionmap serve`: receive, close, work, deliver; nothing is lost. See docs/routing.md."""
