"""Walking policies that were trained elsewhere: an ONNX file and a contract of its terms."""
