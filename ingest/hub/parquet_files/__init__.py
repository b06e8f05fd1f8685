"""Lists of records in Parquet files, decoded by a process of their own with bounded memory and time."""
