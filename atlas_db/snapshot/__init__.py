"""Small atlases: ids, parents and licences in one Parquet file, and records that the Hub adds."""
