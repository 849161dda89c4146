"""The vol market on the screen: smiles, surface, term structure, skew, and what is wrong with them."""
