"""`dino-pipeline embed`: a folder of images becomes a Parquet file of embeddings."""
