"""The atlas: the words, the store, the questions, the face."""
