"""Image-text models behind the Embedder protocol."""
