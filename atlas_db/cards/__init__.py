"""Model cards: front matter and text of a README.md, and the store of cards under the home folder."""
