"""Drawn stand-ins for the datasets, in their exact on-disk layouts, so that one loader and one command serve both."""
