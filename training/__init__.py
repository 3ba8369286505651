"""How the built-in demo models were made: pictures, sentences, training and evaluation."""
