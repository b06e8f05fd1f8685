"""GGUF files: tensors and metadata of models, adapters of llama.cpp, names and types."""
