"""The two pages of a build: report.html, which is public, and the vault's review.html."""
