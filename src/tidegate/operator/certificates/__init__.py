"""The leader makes and rotates the certificates of the programs, and tells those who must trust them."""
