"""ONNX files: the weights of a graph, in the file or in others, without the package onnx."""
